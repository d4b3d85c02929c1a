// Embeds two sentences and prints how similar they are. Usage: node embed.js [HOST:PORT]
const crypto = require('crypto');
const path = require('path');
const grpc = require('@grpc/grpc-js');
const protoLoader = require('@grpc/proto-loader');

const definition = protoLoader.loadSync('attendant/v1/embedding.proto', {
  includeDirs: [path.join(__dirname, '../../../proto')], keepCase: true, longs: Number, defaults: true,
});
const {EmbeddingService} = grpc.loadPackageDefinition(definition).attendant.v1;

const address = process.argv[2] || '127.0.0.1:50051';
const texts = ['A cat sleeps on the warm windowsill.', 'The kitten naps in the sunshine.'];

const client = new EmbeddingService(address, grpc.credentials.createInsecure());
const request = {items: texts.map((text) => ({text}))};
client.Embed(request, {deadline: Date.now() + 10000}, (error, response) => {
  if (error) {
    console.error(error.message);
    process.exit(1);
  }
  for (const {status} of response.results) {
    if (status && status.code !== 0) throw new Error(status.message); // one bad item never fails its neighbours
  }
  const [a, b] = response.results.map((result) => result.embedding.values);
  const similarity = a.reduce((sum, value, i) => sum + value * b[i], 0); // vectors have length 1
  const bytes = Buffer.alloc(4 * a.length);
  a.forEach((value, i) => bytes.writeFloatLE(value, 4 * i));
  const checksum = crypto.createHash('sha256').update(bytes).digest('hex');
  console.log(`${response.model}: ${a.length} dimensions, similarity ${similarity.toFixed(4)}, sha256 ${checksum}`);
  client.close();
});
