// `attendant attention`: which tokens look at which, in the terminal, as a picture or as JSON.
#include <CLI/CLI.hpp>
#include <algorithm>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "client/cli/attention_image.h"
#include "client/cli/attention_panels.h"
#include "client/cli/commands.h"
#include "client/cli/flags.h"
#include "client/cli/format.h"
#include "client/cli/heat_map.h"
#include "client/lib/client.h"

namespace attendant::cli {
namespace {

struct AttentionFlags {
  ConnectionFlags connection;
  TextFlags text;
  std::vector<std::string> texts;
  std::vector<int32_t> ids;
  std::vector<std::string> layers;
  std::vector<std::string> heads;
  std::string reduce;
  std::string png;
  bool json = false;
  bool ascii = false;
};

// "all", or numbers; negative ones count from the end. Sorted, without duplicates, as the contract wants them.
absl::StatusOr<std::vector<int32_t>> ParseIndices(const std::vector<std::string>& words, int32_t count,
                                                  const char* what) {
  std::vector<int32_t> indices;
  if (words.size() == 1 && words[0] == "all") return indices;
  for (const std::string& word : words) {
    int32_t index = 0;
    if (!absl::SimpleAtoi(word, &index)) {
      return absl::InvalidArgumentError(absl::StrCat("--", what, ": '", word, "' is neither a number nor 'all'"));
    }
    const int32_t from_start = index < 0 ? count + index : index;
    if (from_start < 0 || from_start >= count) {
      return absl::InvalidArgumentError(absl::StrCat("--", what, ": the model has no ", what, " ", index, "; it has ",
                                                     count, " (0 to ", count - 1, ")"));
    }
    indices.push_back(from_start);
  }
  std::sort(indices.begin(), indices.end());
  indices.erase(std::unique(indices.begin(), indices.end()), indices.end());
  return indices;
}

absl::StatusOr<client::AttentionOptions> ToOptions(const AttentionFlags& flags, const client::ModelInfo& model) {
  client::AttentionOptions options;
  options.model = flags.connection.model;
  options.prompt = flags.text.prompt();
  options.truncation = flags.text.truncation;
  const std::vector<std::string> last = {"-1"};
  auto layers = ParseIndices(flags.layers.empty() ? last : flags.layers, model.num_layers, "layer");
  if (!layers.ok()) return layers.status();
  options.layers = *std::move(layers);
  if (!flags.heads.empty()) {
    auto heads = ParseIndices(flags.heads, model.num_heads, "head");
    if (!heads.ok()) return heads.status();
    options.heads = *std::move(heads);
  }
  // Without a choice of heads one map a layer says most.
  const std::string reduce = flags.reduce.empty() ? (flags.heads.empty() ? "mean" : "none") : flags.reduce;
  options.reduction = reduce == "mean"  ? client::HeadReduction::kMean
                      : reduce == "max" ? client::HeadReduction::kMax
                                        : client::HeadReduction::kNone;
  return options;
}

client::Item ToItem(const AttentionFlags& flags) {
  if (!flags.ids.empty()) return client::TokenIds{flags.ids, {}, false};
  if (flags.texts.size() == 2) return client::TextPair{flags.texts[0], flags.texts[1]};
  return flags.texts[0];
}

// attention[layer][0][head][row][column]: the shape that bertviz takes, with its batch of one.
void PrintJson(const client::AttentionMap& map, std::ostream& out) {
  out << "{\"model\": " << JsonString(map.model) << ", \"model_fingerprint\": " << JsonString(map.model_fingerprint)
      << ", \"tokens\": [";
  for (size_t i = 0; i < map.tokens.size(); ++i) out << (i > 0 ? ", " : "") << JsonString(map.tokens[i].text);
  const auto print_list = [&out](const char* name, const std::vector<int32_t>& list) {
    out << "], \"" << name << "\": [";
    for (size_t i = 0; i < list.size(); ++i) out << (i > 0 ? ", " : "") << list[i];
  };
  print_list("layers", map.layers);
  print_list("heads", map.heads);
  out << "], \"attention\": [";
  size_t next = 0;
  for (int layer = 0; layer < map.shape[0]; ++layer) {
    out << (layer > 0 ? ", [[" : "[[");
    for (int head = 0; head < map.shape[1]; ++head) {
      out << (head > 0 ? ", [" : "[");
      for (int row = 0; row < map.shape[2]; ++row) {
        out << (row > 0 ? ", [" : "[");
        for (int column = 0; column < map.shape[3]; ++column) {
          out << (column > 0 ? ", " : "") << ShortestFloat(map.values[next++]);
        }
        out << "]";
      }
      out << "]";
    }
    out << "]]";
  }
  out << "]}\n";
}

absl::Status WritePng(const AttentionPanels& panels, const std::string& path) {
  const auto canvas = DrawAttention(panels);
  if (!canvas.ok()) return canvas.status();
  return WritePngFile(*canvas, path);
}

HeatMapStyle ChooseStyle(const AttentionFlags& flags, const Context& context) {
  if (flags.ascii || !context.out_is_terminal) return HeatMapStyle::kAscii;
  return context.true_color ? HeatMapStyle::kTrueColor : HeatMapStyle::kColor256;
}

int RunAttention(const AttentionFlags& flags, Context& context) {
  auto client = Connect(flags.connection);
  if (!client.ok()) return ReportFailure(context, kExitUsage, std::string(client.status().message()));
  const auto model = (*client)->GetModel(flags.connection.model, flags.connection.call());
  if (!model.ok()) return ReportCallFailure(context, model.status());
  const auto options = ToOptions(flags, *model);
  if (!options.ok()) return ReportFailure(context, kExitUsage, std::string(options.status().message()));
  const auto map = (*client)->GetAttention(ToItem(flags), *options, flags.connection.call());
  if (!map.ok()) return ReportCallFailure(context, map.status());

  if (map->tokens_dropped > 0) context.err << "attendant: " << map->tokens_dropped << " tokens were cut off\n";
  const AttentionPanels panels = ToPanels(*map, options->reduction);
  if (!flags.png.empty()) {
    if (absl::Status status = WritePng(panels, flags.png); !status.ok()) {
      return ReportFailure(context, absl::IsInvalidArgument(status) ? kExitUsage : kExitFile,
                           std::string(status.message()));
    }
  }
  if (flags.json) {
    PrintJson(*map, context.out);
  } else if (flags.png.empty()) {
    const HeatMapStyle style = ChooseStyle(flags, context);
    // Nothing is cut where there is no terminal to be too narrow.
    const int columns = context.out_is_terminal ? context.columns : INT32_MAX;
    for (size_t i = 0; i < panels.panels.size(); ++i) {
      context.out << (i > 0 ? "\n" : "") << RenderHeatMap(panels, i, style, columns);
    }
  }
  return kExitOk;
}

}  // namespace

void AddAttentionCommand(CLI::App& app, Action* chosen) {
  auto flags = std::make_shared<AttentionFlags>();
  CLI::App* command = app.add_subcommand("attention", "Show which tokens attend to which");
  auto* texts =
      command->add_option("texts", flags->texts, "a text, or two for a pair")->type_name("TEXT")->expected(1, 2);
  auto* ids =
      command->add_option("--ids", flags->ids, "token ids instead, separated by commas, special tokens included")
          ->type_name("ID")
          ->delimiter(',')
          ->allow_extra_args(false)
          ->excludes(texts);
  command->add_option("--layer", flags->layers, "layers to show, separated by commas, or all (default: -1, the last)")
      ->type_name("N")
      ->delimiter(',')
      ->allow_extra_args(false);
  command->add_option("--head", flags->heads, "heads to show, separated by commas, or all (default: the mean of all)")
      ->type_name("N")
      ->delimiter(',')
      ->allow_extra_args(false);
  command->add_option("--reduce", flags->reduce, "over the heads: none, mean, max")
      ->check(CLI::IsMember({"none", "mean", "max"}));
  command->add_option("--png", flags->png, "write a picture instead of printing")->type_name("FILE");
  command->add_flag(
      "--json", flags->json,
      "print {\"attention\": [layer][0][head][row][column], \"tokens\": [...], ...}, as bertviz takes it");
  command->add_flag("--ascii", flags->ascii, "characters instead of colours");
  AddTextFlags(*command, &flags->text);
  AddModelFlag(*command, &flags->connection);
  AddConnectionFlags(*command, &flags->connection);
  command->callback([flags, ids, texts, chosen] {
    if (ids->count() == 0 && texts->count() == 0) throw CLI::RequiredError("TEXT or --ids");
    *chosen = [flags](Context& context) { return RunAttention(*flags, context); };
  });
}

}  // namespace attendant::cli
