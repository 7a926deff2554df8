// The location of a guard model, in the gateway of an installation that is being made.
import fs from 'node:fs';
import path from 'node:path';

/** url: of the model; timeout: as nginx writes it; more: further lines for the gateway's server. */
export function askGuardModel(dir, url, timeout, more = '') {
  const gateway = path.join(dir, 'nginx/gateway.d');
  fs.mkdirSync(gateway, { recursive: true });
  fs.writeFileSync(path.join(gateway, 'own.conf'), `${more}plumbline_second_opinion /_guard;
location = /_guard {
  internal;
  proxy_pass ${url}/v1/chat/completions;
  proxy_pass_request_headers off;
  proxy_set_header Content-Type application/json;
  proxy_read_timeout ${timeout};
}
`);
}
