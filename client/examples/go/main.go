// Embeds two sentences and prints how similar they are. Usage: go run . [HOST:PORT]
package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"log"
	"os"
	"time"

	pb "attendant/v1"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

//go:generate ./generate.sh

func main() {
	address := "127.0.0.1:50051"
	if len(os.Args) > 1 {
		address = os.Args[1]
	}
	connection, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		log.Fatal(err)
	}
	defer connection.Close()

	request := &pb.EmbedRequest{}
	for _, text := range []string{"A cat sleeps on the warm windowsill.", "The kitten naps in the sunshine."} {
		request.Items = append(request.Items, &pb.Item{Input: &pb.Item_Text{Text: text}})
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	response, err := pb.NewEmbeddingServiceClient(connection).Embed(ctx, request)
	if err != nil {
		log.Fatal(err)
	}
	for _, result := range response.Results {
		if result.GetStatus().GetCode() != 0 { // one bad item never fails its neighbours
			log.Fatal(result.Status.Message)
		}
	}
	a, b := response.Results[0].Embedding.Values, response.Results[1].Embedding.Values
	var similarity float64 // vectors have length 1
	for i := range a {
		similarity += float64(a[i]) * float64(b[i])
	}
	var bits bytes.Buffer
	if err := binary.Write(&bits, binary.LittleEndian, a); err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s: %d dimensions, similarity %.4f, sha256 %x\n", response.Model, len(a), similarity, sha256.Sum256(bits.Bytes()))
}
