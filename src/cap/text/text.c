#include "base/banned.h"

#include "cap/text/model_int.h"
#include "cap/text/pl_text.h"
#include "cap/text/scan_int.h"

static const pl_cmd commands[] = {
    { "scan", NULL, "[FILE|FOLDER|-]…", 0, -1, pl_text_scan_options,
      "find what the policy looks for in files, folders and archives",
      "在文件、目录和压缩包中查找策略所列内容", "plumbline scan docs/ --json", pl_text_cmd_scan },
    { "model", "train", "RECIPE", 1, 1, pl_text_model_train_options,
      "learn a model from labelled texts and test it on texts held out",
      "用有标签的文本训练模型，并在留出文本上测试",
      "plumbline model train recipe.yaml --data DATA -o FOLDER", pl_text_cmd_model_train },
    { "model", "test", "[MODEL] FILE…", 1, -1, pl_text_model_test_options,
      "measure a model on labelled JSON Lines", "在有标签的 JSON Lines 上测量模型",
      "plumbline model test test.jsonl --json", pl_text_cmd_model_test },
    { "model", "card", "[MODEL]", 0, 1, pl_text_model_card_options,
      "show what a model is, what it learnt from and how good it is",
      "查看模型卡：用途、数据与表现", "plumbline model card", pl_text_cmd_model_card },
    { "model", "explain", "FILE|-", 1, 1, pl_text_model_explain_options,
      "show which words of a text give a label its score", "说明文本中哪些词构成标签的分数",
      "echo text | plumbline model explain -", pl_text_cmd_model_explain },
    { NULL, NULL, NULL, 0, 0, NULL, NULL, NULL, NULL, NULL },
};

const pl_capability pl_cap_text = { .name = "text", .commands = commands };
