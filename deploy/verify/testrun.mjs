// @ts-check
/**
 * k6-operator's TestRun as a JSON Schema, strict: which fields the operator's CRD has (version 1.6.0), with Kubernetes' own
 * schemas for what they hold. The CRD itself is in no package that we could take it from.
 */

/** @param {string} name */
const core = (name) => ({ $ref: `/api/_definitions.json#/$defs/io.k8s.api.core.v1.${name}` });
/** @param {object} items */
const list = (items) => ({ type: 'array', items });
const text = { type: 'string' };
const words = { type: 'object', additionalProperties: text };

/** @param {Record<string, object>} properties @param {readonly string[]} required */
const strict = (properties, required = []) => ({ type: 'object', additionalProperties: false, properties, required });

const pod = strict({
  affinity: core('Affinity'),
  automountServiceAccountToken: text,
  containerSecurityContext: core('SecurityContext'),
  disabled: { type: 'boolean' },
  env: list(core('EnvVar')),
  envFrom: list(core('EnvFromSource')),
  image: text,
  imagePullPolicy: { enum: ['Always', 'IfNotPresent', 'Never'] },
  imagePullSecrets: list(core('LocalObjectReference')),
  initContainers: list({ type: 'object' }),
  livenessProbe: core('Probe'),
  metadata: strict({ annotations: words, labels: words }),
  nodeSelector: words,
  priorityClassName: text,
  readinessProbe: core('Probe'),
  resources: core('ResourceRequirements'),
  schedulerName: text,
  securityContext: core('PodSecurityContext'),
  serviceAccountName: text,
  tolerations: list(core('Toleration')),
  topologySpreadConstraints: list(core('TopologySpreadConstraint')),
  volumeMounts: list(core('VolumeMount')),
  volumes: list(core('Volume')),
});

export const TEST_RUN = {
  // Beside Kubernetes' own, so that what it refers to is found.
  $id: 'https://kubernetes.io/api/testrun.json',
  ...strict(
    {
      apiVersion: { const: 'k6.io/v1alpha1' },
      kind: { const: 'TestRun' },
      metadata: { $ref: '/api/_definitions.json#/$defs/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta' },
      spec: strict(
        {
          args: list(text),
          arguments: text,
          cleanup: { const: 'post' },
          initializer: pod,
          parallelism: { type: 'integer' },
          paused: text,
          ports: list(core('ContainerPort')),
          quiet: text,
          runner: pod,
          script: strict({
            configMap: strict({ file: text, name: text }, ['name']),
            localFile: text,
            volumeClaim: strict({ file: text, name: text, readOnly: { type: 'boolean' } }, ['name']),
          }),
          separate: { type: 'boolean' },
          starter: pod,
          testRunId: text,
          token: text,
        },
        ['parallelism', 'script'],
      ),
    },
    ['apiVersion', 'kind', 'metadata', 'spec'],
  ),
};
