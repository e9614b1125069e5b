// @ts-check
/**
 * Checks objects: Kubernetes' own kinds strictly by its schemas, the others by validators made of their CRDs, which find wrong
 * types and missing fields; the fields that those do not know are found by `custom.mjs`.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as gatewayApi from '@kubernetes-models/gateway-api/gateway.networking.k8s.io/v1';
import * as keda from '@kubernetes-models/keda/keda.sh/v1alpha1';
import * as prometheusOperator from '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1';
import { Ajv } from 'ajv';
import { TEST_RUN } from './testrun.mjs';

/** @typedef {new (object: any) => { validate(): void }} Model */

/** Models made of the CRDs, with their schemas. @type {Readonly<Record<string, object>>} */
const CUSTOM = {
  'monitoring.coreos.com/v1': prometheusOperator,
  'keda.sh/v1alpha1': keda,
  'gateway.networking.k8s.io/v1': gatewayApi,
};

/**
 * @param {string} folder of Kubernetes' schemas, see `kubernetesSchemas`
 * @returns {(object: import('./render.mjs').KubernetesObject) => string[]} what is wrong with an object
 */
export function createSchemaCheck(folder) {
  const ajv = new Ajv({ strict: false, allErrors: true, validateFormats: false });
  const read = (/** @type {string} */ file) => {
    const { $schema: _, ...schema } = JSON.parse(readFileSync(join(folder, file), 'utf8'));
    return schema;
  };
  ajv.addSchema(read('_definitions.json'), '_definitions.json');

  return (object) => {
    const [group = '', version = ''] = object.apiVersion.includes('/')
      ? object.apiVersion.split('/')
      : ['', object.apiVersion];
    const custom = CUSTOM[object.apiVersion];
    if (custom) return checkCustom(custom, object);
    if (object.apiVersion === 'k6.io/v1alpha1' && object.kind === 'TestRun') {
      return faultsOf(ajv.getSchema(TEST_RUN.$id) ?? ajv.compile(TEST_RUN), object);
    }
    const name = [object.kind.toLowerCase(), group.split('.')[0], version].filter((part) => part !== '').join('-');
    const file = `${name}.json`;
    if (!existsSync(join(folder, file))) return [`there is no schema of ${object.apiVersion} ${object.kind}`];
    return faultsOf(ajv.getSchema(file) ?? ajv.addSchema(read(file), file).getSchema(file), object);
  };
}

/**
 * @param {ReturnType<Ajv['getSchema']>} validate
 * @param {object} object
 */
function faultsOf(validate, object) {
  if (!validate) throw new Error('the schema was added, and there is no validator for it');
  if (validate(object)) return [];
  return (validate.errors ?? []).map(
    (error) => `${error.instancePath} ${error.message} ${JSON.stringify(error.params)}`,
  );
}

/**
 * @param {object} models
 * @param {import('./render.mjs').KubernetesObject} object
 */
function checkCustom(models, object) {
  const Model = /** @type {Readonly<Record<string, Model>>} */ (models)[object.kind];
  if (!Model) return [`there is no schema of ${object.apiVersion} ${object.kind}`];
  try {
    new Model(object).validate();
    return [];
  } catch (error) {
    return [/** @type {Error} */ (error).message];
  }
}
