import dev.attendant.v1.EmbedRequest;
import dev.attendant.v1.EmbedResponse;
import dev.attendant.v1.EmbedResult;
import dev.attendant.v1.EmbeddingServiceGrpc;
import dev.attendant.v1.Item;
import io.grpc.ManagedChannel;
import io.grpc.netty.shaded.io.grpc.netty.NettyChannelBuilder;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.List;
import java.util.concurrent.TimeUnit;

/** Embeds two sentences and prints how similar they are. Usage: mvn compile exec:java -Dexec.args=HOST:PORT */
public final class Embed {
  public static void main(String[] arguments) throws NoSuchAlgorithmException {
    String address = arguments.length > 0 ? arguments[0] : "127.0.0.1:50051";
    EmbedRequest.Builder request = EmbedRequest.newBuilder();
    for (String text : List.of("A cat sleeps on the warm windowsill.", "The kitten naps in the sunshine.")) {
      request.addItems(Item.newBuilder().setText(text));
    }
    ManagedChannel channel = NettyChannelBuilder.forTarget(address).usePlaintext().build();
    try {
      EmbedResponse response = EmbeddingServiceGrpc.newBlockingStub(channel)
          .withDeadlineAfter(10, TimeUnit.SECONDS).embed(request.build());
      for (EmbedResult result : response.getResultsList()) {
        if (result.getStatus().getCode() != 0) { // one bad item never fails its neighbours
          throw new IllegalArgumentException(result.getStatus().getMessage());
        }
      }
      List<Float> a = response.getResults(0).getEmbedding().getValuesList();
      List<Float> b = response.getResults(1).getEmbedding().getValuesList();
      double similarity = 0; // vectors have length 1
      for (int i = 0; i < a.size(); i++) {
        similarity += (double) a.get(i) * b.get(i);
      }
      ByteBuffer bytes = ByteBuffer.allocate(4 * a.size()).order(ByteOrder.LITTLE_ENDIAN);
      a.forEach(bytes::putFloat);
      String checksum = HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(bytes.array()));
      System.out.printf("%s: %d dimensions, similarity %.4f, sha256 %s%n", response.getModel(), a.size(), similarity, checksum);
    } finally {
      channel.shutdownNow();
    }
  }
}
