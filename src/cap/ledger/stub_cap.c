#include "base/banned.h"
#include "base/json.h"
#include "cap/capability.h"
#include "cap/ledger/pl_ledger.h"
static int cmd_verify(pl_cmd_ctx *c){
 pl_instance i; pl_error err={0}; pl_vkey k; pl_ledger_report r={0};
 if(pl_instance_open(pl_cmd_dir(c),&i,&err)!=PL_OK||pl_instance_vkey(&i,&k,&err)!=PL_OK) return pl_cmd_fail(c,&err);
 char*d=pl_instance_path(&i,"ledger");
 if(pl_ledger_verify(d,&k,&r,NULL,NULL,&err)!=PL_OK) return pl_cmd_fail(c,&err);
 char hex[65]; for(int n=0;n<32;n++) snprintf(hex+2*n,3,"%02x",r.root.b[n]);
 json_t*o=json_pack("{s:b,s:I,s:s,s:O,s:O}","ok",json_array_size(r.problems)==0,"size",(json_int_t)r.size,"root",hex,"problems",r.problems,"signers",r.signers);
 char*t=pl_json_dump(o); fprintf(c->out,"%s\n",t);
 return json_array_size(r.problems)?1:0; }
static const pl_cmd cmds[]={{"ledger","verify","",0,0,NULL,"verify","v","x",cmd_verify},{0}};
const pl_capability pl_cap_ledger={.name="ledger",.commands=cmds};
