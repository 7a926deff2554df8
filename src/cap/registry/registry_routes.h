/* Routes that stand in other files than the table. */
#ifndef PL_REGISTRY_ROUTES_H
#define PL_REGISTRY_ROUTES_H

#include "cap/registry/registry_int.h"

#define REGISTRY_PAGE_MAX 100

pl_rc  registry_reply(pl_api_reply *r, int status, json_t *body, pl_error *err);
pl_str registry_query(pl_api_request *q, const char *name);

pl_rc registry_filings_get(pl_api_request *q, pl_api_reply *r, pl_error *err);
pl_rc registry_filings_statistics(pl_api_request *q, pl_api_reply *r, pl_error *err);
pl_rc registry_filings_post(pl_api_request *q, pl_api_reply *r, pl_error *err);
pl_rc registry_filing_get(pl_api_request *q, pl_api_reply *r, pl_error *err);
pl_rc registry_filing_put(pl_api_request *q, pl_api_reply *r, pl_error *err);
pl_rc registry_filing_check_get(pl_api_request *q, pl_api_reply *r, pl_error *err);
pl_rc registry_filing_step_post(pl_api_request *q, pl_api_reply *r, pl_error *err);
pl_rc registry_drift_get(pl_api_request *q, pl_api_reply *r, pl_error *err);
pl_rc registry_drift_post(pl_api_request *q, pl_api_reply *r, pl_error *err);
pl_rc registry_filing_vote_post(pl_api_request *q, pl_api_reply *r, pl_error *err);
pl_rc registry_filing_file_post(pl_api_request *q, pl_api_reply *r, pl_error *err);
pl_rc registry_filing_file_delete(pl_api_request *q, pl_api_reply *r, pl_error *err);
pl_rc registry_filing_file_get(pl_api_request *q, pl_api_reply *r, pl_error *err);
pl_rc registry_due_get(pl_api_request *q, pl_api_reply *r, pl_error *err);
pl_rc registry_export_post(pl_api_request *q, pl_api_reply *r, pl_error *err);
pl_rc registry_package_get(pl_api_request *q, pl_api_reply *r, pl_error *err);
pl_rc registry_import_post(pl_api_request *q, pl_api_reply *r, pl_error *err);
pl_rc registry_list_post(pl_api_request *q, pl_api_reply *r, pl_error *err);
pl_rc registry_peers_get(pl_api_request *q, pl_api_reply *r, pl_error *err);
pl_rc registry_peers_post(pl_api_request *q, pl_api_reply *r, pl_error *err);
pl_rc registry_public_get(pl_api_request *q, pl_api_reply *r, pl_error *err);
pl_rc registry_public_statistics(pl_api_request *q, pl_api_reply *r, pl_error *err);
pl_rc registry_public_one(pl_api_request *q, pl_api_reply *r, pl_error *err);

#endif
