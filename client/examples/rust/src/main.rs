//! Embeds two sentences and prints how similar they are. Usage: cargo run -- [HOST:PORT]
use sha2::{Digest, Sha256};
use std::time::Duration;

mod v1 {
    tonic::include_proto!("attendant.v1");
}
use v1::embedding_service_client::EmbeddingServiceClient;
use v1::{item::Input, EmbedRequest, Item};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:50051".into());
    let texts = ["A cat sleeps on the warm windowsill.", "The kitten naps in the sunshine."];

    let mut client = EmbeddingServiceClient::connect(format!("http://{address}")).await?;
    let items = texts.iter().map(|&text| Item { input: Some(Input::Text(text.into())) }).collect();
    let mut request = tonic::Request::new(EmbedRequest { items, ..Default::default() });
    request.set_timeout(Duration::from_secs(10)); // the server drops what nobody waits for any more
    let response = client.embed(request).await?.into_inner();

    let mut vectors = Vec::new();
    for result in response.results {
        if let Some(status) = result.status.filter(|status| status.code != 0) {
            return Err(status.message.into()); // one bad item never fails its neighbours
        }
        vectors.push(result.embedding.ok_or("no embedding")?.values);
    }
    let (a, b) = (&vectors[0], &vectors[1]);
    let similarity: f64 = a.iter().zip(b).map(|(&x, &y)| f64::from(x) * f64::from(y)).sum(); // vectors have length 1
    let mut checksum = Sha256::new();
    for value in a {
        checksum.update(value.to_le_bytes());
    }
    println!("{}: {} dimensions, similarity {similarity:.4}, sha256 {:x}", response.model, a.len(), checksum.finalize());
    Ok(())
}
