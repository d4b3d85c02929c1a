"""The structure tests can fail: each rule refuses a bad sample and lets the good one next to it pass."""

import unittest

import cpp_source
import documentation
import layering
import size


def function_lines(text):
    return {function.name: function.lines for function in cpp_source.functions(text)}


class ReadingCpp(unittest.TestCase):
    def test_a_function_is_measured_from_declaration_to_closing_brace(self):
        self.assertEqual(function_lines("int F(int a,\n      int b) {\n  return a;\n}\n"), {"F": 4})

    def test_braces_in_literals_and_comments_do_not_count(self):
        text = ('void F() {\n  a = "}{{"; b = \'{\'; // }\n  /* { */ c = R"x(\n}}}"\n)x";\n'
                '  d = 1\'000\'000; e = u8"\\"{";\n}\nvoid G() {}\n')
        self.assertEqual(function_lines(text), {"F": 7, "G": 1})

    def test_lambdas_and_control_flow_belong_to_the_function_around_them(self):
        text = "void F() {\n  auto g = [](int x) {\n    if (x) { y(); }\n  };\n  for (;;) {\n  }\n}\n"
        self.assertEqual(function_lines(text), {"F": 7})

    def test_namespaces_classes_and_templates_are_looked_into(self):
        text = ("namespace a::b {\nnamespace {\nextern \"C\" {\ntemplate <typename T, class U = std::pair<int, T>>\n"
                "class alignas(64) C final : public D<T> {\n public:\n  int F() const {\n    return 1;\n  }\n"
                "  struct S { int x = 3; };\n  enum class E : int { kA, kB };\n};\n}\n}\n}\n")
        self.assertEqual(function_lines(text), {"F": 3})

    def test_constructors_with_initialiser_lists(self):
        text = "C::C(int a)\n    : x_{a}, y_(std::vector<int>{1, 2}),\n      z_{} {\n  Work();\n}\nC::~C() {\n}\n"
        self.assertEqual(function_lines(text), {"C::C": 5, "C::~C": 2})

    def test_operators_trailing_returns_and_namespace_lambdas(self):
        text = ("bool operator==(const A& a, const B& b) {\n  return true;\n}\nauto F() -> std::vector<int> {\n}\n"
                "const auto kG = [](int x) {\n  return x;\n};\nC& operator=(const C&) {\n  return *this;\n}\n")
        self.assertEqual(sorted(function_lines(text).values()), [2, 3, 3, 3])

    def test_data_is_no_function(self):
        self.assertEqual(function_lines("constexpr int kTable[] = {\n1,\n2};\nstd::vector<int> v{1,\n2};\n"), {})

    def test_test_macros_are_functions(self):
        self.assertEqual(function_lines("TEST_F(Suite, Name) {\n  EXPECT_EQ(1, 1);\n}\n"), {"TEST_F(Suite, Name)": 3})

    def test_unbalanced_braces_are_an_error(self):
        for text in ("void F() {\n", "}\n", "namespace a {\nvoid F() {}\n"):
            with self.assertRaises(cpp_source.ParseError):
                cpp_source.functions(text)

    def test_includes_in_comments_and_strings_are_none(self):
        text = '// #include "a.h"\n/*\n#include "b.h"\n*/\nauto x = R"(\n)";\n#  include "c.h"  // why\n#include <d>\n'
        expected = [cpp_source.Include(7, "c.h", True), cpp_source.Include(8, "d", False)]
        self.assertEqual(cpp_source.includes(text), expected)


class Sizes(unittest.TestCase):
    def body(self, lines):
        return "void F() {\n" + "  a();\n" * (lines - 2) + "}\n"

    def test_functions_stay_under_70_lines(self):
        self.assertEqual(list(size.problems("engine/a.cc", self.body(69))), [])
        self.assertRegex(list(size.problems("engine/a.cc", self.body(70)))[0], r"^engine/a.cc:1: F has 70 lines")

    def test_python_functions_too(self):
        text = "\n\ndef f():\n" + "    a()\n" * 69
        self.assertRegex(list(size.problems("tests/a.py", text))[0], r"^tests/a.py:3: f has 70 lines")

    def test_files_stay_under_600_lines(self):
        self.assertEqual(list(size.problems("scripts/serve", "\n" * 599)), [])
        self.assertEqual(len(list(size.problems("scripts/serve", "\n" * 600))), 1)

    def test_what_cannot_be_read_is_reported(self):
        self.assertIn("cannot be read", list(size.problems("engine/a.cc", "void F() {\n"))[0])


class Layers(unittest.TestCase):
    def problems(self, path, text, existing=True):
        return list(layering.problems(path, text, lambda _: existing))

    def assert_allowed(self, path, *includes):
        for include in includes:
            self.assertEqual(self.problems(path, f"#include {include}\n"), [], (path, include))

    def assert_refused(self, path, *includes):
        for include in includes:
            self.assertEqual(len(self.problems(path, f"#include {include}\n")), 1, (path, include))

    def test_the_arrows(self):
        self.assert_allowed("engine/model/a.cc", '"engine/kernels/b.h"', '"engine/model/c.h"', '"engine/sequence.h"')
        self.assert_allowed("engine/embedder.cc", '"engine/model/b.h"', '"engine/tokenizer/c.h"')
        self.assert_allowed("server/scheduling/a.cc", '"engine/embedder.h"', '"server/scheduling/b.h"')
        self.assert_allowed("server/models/a.cc", '"server/scheduling/b.h"', '"engine/embedder.h"')
        self.assert_allowed("server/rpc/a.cc", '"server/scheduling/b.h"', '"server/models/b.h"',
                            '"attendant/v1/embedding.grpc.pb.h"')
        self.assert_allowed("server/rpc/a.cc", '"server/security/b.h"')
        self.assert_allowed("server/http/a.cc", '"server/security/b.h"', '"server/network/c.h"')
        self.assert_allowed("server/main.cc", '"server/rpc/b.h"', '"server/server.h"')
        self.assert_allowed("client/cli/a.cc", '"client/b.h"', '"attendant/v1/embedding.pb.h"')

    def test_no_arrow_is_walked_backwards_or_skipped(self):
        self.assert_refused("engine/kernels/a.cc", '"engine/model/b.h"', '"engine/embedder.h"')
        self.assert_refused("engine/model/a.cc", '"engine/tokenizer/b.h"', '"engine/embedder.h"', '"server/a.h"')
        self.assert_refused("engine/tokenizer/a.cc", '"engine/model/b.h"', '"engine/kernels/b.h"')
        self.assert_refused("server/scheduling/a.cc", '"server/rpc/b.h"', '"server/observability/b.h"')
        self.assert_refused("server/scheduling/a.cc", '"engine/model/b.h"')
        self.assert_refused("server/models/a.cc", '"server/rpc/b.h"', '"engine/model/b.h"', "<grpcpp/grpcpp.h>")
        self.assert_refused("server/rpc/a.cc", '"engine/kernels/b.h"', '"server/server.h"', '"client/b.h"')
        self.assert_refused("server/security/a.cc", '"server/rpc/b.h"', '"server/scheduling/scheduler.h"', "<grpcpp/a.h>")
        self.assert_refused("server/http/a.cc", '"server/rpc/b.h"', "<grpcpp/grpcpp.h>", '"attendant/v1/e.pb.h"')
        self.assert_refused("client/a.cc", '"server/rpc/b.h"', '"engine/embedder.h"')
        self.assert_refused("server/a.cc", '"client/b.h"', '"tests/testing/b.h"', '"bench/b.h"')

    def test_transports_and_metrics_stay_where_they_belong(self):
        for path in ("engine/embedder.cc", "engine/model/a.cc", "engine/tokenizer/a.h", "server/scheduling/a.cc"):
            for header in ("grpcpp/grpcpp.h", "google/protobuf/message.h", "prometheus/gauge.h", "attendant/v1/e.pb.h"):
                found = self.problems(path, f'#include "{header}"\n')
                self.assertTrue(any("include of" in problem for problem in found), (path, header))
        self.assert_allowed("server/rpc/a.cc", "<grpcpp/grpcpp.h>")
        self.assert_allowed("server/observability/a.cc", '"prometheus/counter.h"')

    def test_quotes_for_own_headers_angles_for_the_standard_ones(self):
        self.assert_allowed("engine/model/a.cc", "<vector>", "<sys/mman.h>", '"absl/status/status.h"')
        self.assert_refused("engine/model/a.cc", '"vector"', "<engine/model/b.h>", '"b.h"', '"../kernels/b.h"')
        self.assert_refused("engine/model/a.cc", "<boost/x.hpp>")

    def test_kernels_see_no_stl(self):
        self.assert_allowed("engine/kernels/kernels_avx2.cc", "<cstdint>", "<immintrin.h>")
        self.assert_refused("engine/kernels/kernels_avx2.cc", "<vector>", "<algorithm>", "<cmath>")
        self.assert_allowed("engine/kernels/dispatch.cc", "<vector>")

    def test_own_headers_exist(self):
        problems = self.problems("engine/model/a.cc", '#include "engine/model/b.h"\n', existing=False)
        self.assertIn("no such file", problems[0])

    def test_headers_open_with_a_comment_and_carry_their_guard(self):
        good = "// What it is.\n#ifndef ATTENDANT_ENGINE_MODEL_A_H_\n#define ATTENDANT_ENGINE_MODEL_A_H_\n#endif\n"
        self.assertEqual(self.problems("engine/model/a.h", good), [])
        self.assertEqual(len(self.problems("engine/model/a.h", good.replace("MODEL_A", "A"))), 1)
        self.assertEqual(len(self.problems("engine/model/a.h", good.removeprefix("// What it is.\n"))), 1)

    def test_links(self):
        line = "attendant_library(x SOURCES a.cc LINKS {})\n"
        for path, good, bad in (
            ("engine/CMakeLists.txt", "attendant::model absl::status", "gRPC::grpc++"),
            ("engine/kernels/CMakeLists.txt", "absl::status", "attendant::model"),
            ("server/scheduling/CMakeLists.txt", "attendant::engine", "attendant::rpc"),
            ("client/CMakeLists.txt", "attendant::proto", "attendant::engine"),
        ):
            self.assertEqual(self.problems(path, line.format(good)), [])
            self.assertEqual(len(self.problems(path, line.format(bad))), 1, path)


class Documentation(unittest.TestCase):
    SOURCE = ('AddNumber(app, "--max-items", &x);\napp.add_flag("--log,!--no-log", y);\n'
              'CounterFamily("attendant_items_total", "Items.");\n')

    def problems(self, readme, operations):
        return list(documentation.problems([("server/server_config.cc", self.SOURCE)], readme, operations))

    def test_flags_and_metrics_are_found(self):
        self.assertEqual(self.problems("`--max-items` and `--log`", "`attendant_items_total{code}`"), [])

    def test_what_is_missing_is_named(self):
        self.assertEqual(len(self.problems("`--max-items-per-day`, `--log`", "`attendant_items_total`")), 1)
        self.assertEqual(len(self.problems("`--max-items`, `--log`", "`attendant_items`, attendant_items_total_ever")), 1)

    def test_flags_are_looked_for_where_they_are_made(self):
        self.assertEqual(list(documentation.problems([("server/other.cc", '"--max-items"')], "", "")), [])


if __name__ == "__main__":
    unittest.main()
