//! Makes the stubs from the contract; needs protoc.
fn main() -> std::io::Result<()> {
    tonic_prost_build::configure()
        .build_server(false)
        .compile_protos(&["../../../proto/attendant/v1/embedding.proto"], &["../../../proto"])
}
