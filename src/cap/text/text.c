#include "base/banned.h"

#include "cap/text/pl_text.h"
#include "cap/text/scan_int.h"

static const pl_cmd commands[] = {
    { "scan", NULL, "[FILE|FOLDER|-]…", 0, -1, pl_text_scan_options,
      "find what the policy looks for in files, folders and archives",
      "在文件、目录和压缩包中查找策略所列内容", "plumbline scan docs/ --json", pl_text_cmd_scan },
    { NULL, NULL, NULL, 0, 0, NULL, NULL, NULL, NULL, NULL },
};

const pl_capability pl_cap_text = { .name = "text", .commands = commands };
