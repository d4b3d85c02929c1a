"""tritonclient[grpc] as Triton's users drive it. Usage: triton_client.py HOST:PORT"""

import queue
import sys

import numpy as np
import tritonclient.grpc as triton

from service import TEXTS, check, native_vectors


def texts_input(texts):
    array = np.array([text.encode() for text in texts], dtype=np.object_)
    tensor = triton.InferInput("text", [len(texts)], "BYTES")
    tensor.set_data_from_numpy(array)
    return tensor


def int_input(name, rows, dtype=np.int64):
    array = np.array(rows, dtype=dtype)
    tensor = triton.InferInput(name, list(array.shape), "INT64" if dtype == np.int64 else "INT32")
    tensor.set_data_from_numpy(array)
    return tensor


def metadata(client, model):
    check(client.is_server_live() and client.is_server_ready() and client.is_model_ready(model), "not ready")
    check(not client.is_model_ready("no such model"), "an unknown model is ready")
    check(client.get_server_metadata().name == "attendant", "server's name")
    outputs = {output.name: list(output.shape) for output in client.get_model_metadata(model).outputs}
    check(set(outputs) == {"sentence_embedding", "last_hidden_state", "attentions", "attention_mask"}, outputs)
    config = client.get_model_config(model).config
    check(config.max_batch_size > 0 and config.input[0].name == "text", config)
    check([entry.state for entry in client.get_model_repository_index().models] == ["READY"], "index")
    return outputs


def vectors(client, model, expected):
    before = client.get_inference_statistics(model).model_stats[0].inference_count
    result = client.infer(model, [texts_input(TEXTS)], request_id="mine", priority=1, timeout=60_000_000)
    got = result.as_numpy("sentence_embedding")
    check(got.dtype == np.float32 and got.tobytes() == expected.tobytes(), "other bytes than attendant.v1's")
    check(result.get_response().id == "mine", "the id has changed")
    after = client.get_inference_statistics(model).model_stats[0].inference_count
    check(after - before == len(TEXTS), f"{after - before} items counted")


def padded_ids(client, model, outputs):
    hidden_size = outputs["last_hidden_state"][2]
    layers, heads = outputs["attentions"][1:3]
    ids, mask = [[2, 5, 6, 3], [2, 5, 3, 0]], [[1, 1, 1, 1], [1, 1, 1, 0]]
    names = ["sentence_embedding", "last_hidden_state", "attentions"]
    wanted = [triton.InferRequestedOutput(name) for name in names]
    for dtype in (np.int64, np.int32):
        inputs = [int_input("input_ids", ids, dtype), int_input("attention_mask", mask, dtype),
                  int_input("token_type_ids", np.zeros_like(ids), dtype)]
        result = client.infer(model, inputs, outputs=wanted)
        pooled, hidden, maps = (result.as_numpy(name) for name in names)
        check(hidden.shape == (2, 4, hidden_size) and not hidden[1, 3].any() and hidden[1, 2].any(), "hidden states")
        check(maps.shape == (2, layers, heads, 4, 4), maps.shape)
        check(np.allclose(maps.sum(-1)[0], 1, atol=1e-5) and not maps[1, :, :, 3].any(), "rows of attention")
        alone = client.infer(model, [int_input("input_ids", [ids[1][:3]], dtype)])
        check(alone.as_numpy("sentence_embedding")[0].tobytes() == pooled[1].tobytes(), "padding changed a vector")


def errors(client, model):
    for name, tensors in (("inputs[0].datatype", [triton.InferInput("text", [1], "FP32")]),
                          ("inputs[0].name", [triton.InferInput("pixels", [1], "FP32")]),
                          ("inputs[0].shape", [triton.InferInput("input_ids", [3], "INT64")])):
        tensors[0].set_data_from_numpy(np.zeros(tensors[0].shape(), np.int64 if "shape" in name else np.float32))
        try:
            client.infer(model, tensors)
        except triton.InferenceServerException as error:
            check("INVALID_ARGUMENT" in error.status() and name in error.message(), error)
            continue
        raise AssertionError(f"{name}: answered")
    for call in (client.load_model, client.unload_model):
        try:
            call(model)
        except triton.InferenceServerException as error:
            check("UNIMPLEMENTED" in error.status(), error)
            continue
        raise AssertionError("a model was loaded or unloaded")


def stream(client, model, expected):
    answers = queue.Queue()
    client.start_stream(lambda result, error: answers.put((result, error)))
    for i, text in enumerate(TEXTS):
        client.async_stream_infer(model, [texts_input([text])], request_id=str(i))
    for i in range(len(TEXTS)):
        result, error = answers.get(timeout=60)
        check(error is None, error)
        check(result.get_response().id == str(i), "answers are out of order")
        check(result.as_numpy("sentence_embedding")[0].tobytes() == expected[i].tobytes(), f"text {i}")
    client.async_stream_infer(model, [texts_input([" "])])
    check(answers.get(timeout=60)[1] is not None, "a blank text was embedded")
    client.stop_stream()


def main(address):
    expected = native_vectors(address)
    client = triton.InferenceServerClient(address)
    model = client.get_model_repository_index().models[0].name
    outputs = metadata(client, model)
    vectors(client, model, expected)
    padded_ids(client, model, outputs)
    errors(client, model)
    stream(client, model, expected)
    client.close()


if __name__ == "__main__":
    main(sys.argv[1])
