// @ts-check
/** The external metrics API with one metric whose value is set by hand: what prometheus-adapter would serve. */
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import { join } from 'node:path';

const GROUP = 'external.metrics.k8s.io';
const METRIC = 'belfry_gateway_connections_serving';

/** @param {string} folder for its certificate */
export async function startMetricsApi(folder) {
  const files = { key: join(folder, 'metrics.key'), cert: join(folder, 'metrics.crt') };
  const subject = ['-subj', '/CN=localhost', '-days', '1'];
  const output = ['-keyout', files.key, '-out', files.cert];
  execFileSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', ...output, ...subject], {
    stdio: 'ignore',
  });
  let value = 0;
  const groupVersion = `${GROUP}/v1beta1`;
  const server = createServer({ key: readFileSync(files.key), cert: readFileSync(files.cert) }, (request, response) => {
    const { pathname } = new URL(request.url ?? '/', 'https://metrics');
    const answer = (/** @type {unknown} */ body) =>
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    if (pathname.endsWith(`/${METRIC}`)) {
      const item = { metricName: METRIC, metricLabels: {}, timestamp: new Date().toISOString(), value: String(value) };
      return answer({ kind: 'ExternalMetricValueList', apiVersion: groupVersion, metadata: {}, items: [item] });
    }
    if (pathname === `/apis/${groupVersion}`) {
      const resource = {
        name: METRIC,
        singularName: '',
        namespaced: true,
        kind: 'ExternalMetricValueList',
        verbs: ['get'],
      };
      return answer({ kind: 'APIResourceList', apiVersion: 'v1', groupVersion, resources: [resource] });
    }
    response.writeHead(404).end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
  return {
    set: (/** @type {number} */ next) => {
      value = next;
    },
    close: () => {
      server.close();
      server.closeAllConnections();
    },
    /** What makes the API server pass on questions to it. */
    objects: [
      {
        apiVersion: 'v1',
        kind: 'Service',
        metadata: { name: 'metrics', namespace: 'default' },
        spec: { type: 'ExternalName', externalName: 'localhost' },
      },
      {
        apiVersion: 'apiregistration.k8s.io/v1',
        kind: 'APIService',
        metadata: { name: `v1beta1.${GROUP}` },
        spec: {
          ...{ group: GROUP, version: 'v1beta1', groupPriorityMinimum: 100, versionPriority: 100 },
          ...{ insecureSkipTLSVerify: true, service: { name: 'metrics', namespace: 'default', port } },
        },
      },
    ],
  };
}
