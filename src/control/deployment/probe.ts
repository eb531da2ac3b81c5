import type { DeploymentBackend } from '../../routing/config/snapshot.ts'
import type { EndpointProbe } from '../../storage/deployment/endpoint-probe.ts'
import type { ControlContext } from '../kit/context.ts'
import { parseJson } from '../probe/parse-json.ts'
import { readModelList } from '../probe/model-list.ts'
import { describeFailure, describeReason, describeStatus } from '../probe/upstream-fault.ts'
import type { UpstreamHttpResult } from '../kit/upstream-http.ts'

/** The time for all probes together, because an operator waits for the answer. */
const probeMs = 2_500
const maxKeptModels = 500
const maxAnswerBytes = 4 * 1024 * 1024

type Backend = Pick<DeploymentBackend, 'secret' | 'caCertificates' | 'upstreamModel' | 'endpoints'>
type Endpoint = DeploymentBackend['endpoints'][number]

/**
 * Asks all endpoints of a deployment at the same time for their models. It takes at most 2.5 s and never throws for an endpoint's
 * failure.
 */
export function probeEndpoints(control: ControlContext, deployment: Backend): Promise<EndpointProbe[]> {
  const deadlineMs = performance.now() + probeMs
  return Promise.all(deployment.endpoints.map((endpoint) => probeEndpoint(control, deployment, endpoint, deadlineMs)))
}

async function probeEndpoint(
  control: ControlContext,
  deployment: Backend,
  endpoint: Endpoint,
  deadlineMs: number,
): Promise<EndpointProbe> {
  const ask = (url: string) => askForModels(control, deployment, url, deadlineMs)
  const versionedUrl = versionedBase(endpoint.url)
  const own = await ask(`${endpoint.url}/models`)
  const isDone = own.result.kind === 'failure' || (own.models !== null && versionedUrl === null)
  const [versioned, ollama] = await Promise.all([
    isDone || versionedUrl === null ? null : ask(`${versionedUrl}/models`),
    // Ollama's own list of models.
    isDone || own.models ? null : ask(`${new URL(endpoint.url).origin}/api/tags`),
  ])
  const probe = (rest: Partial<EndpointProbe> & Pick<EndpointProbe, 'kind'>): EndpointProbe => ({
    endpointId: endpoint.id,
    models: null,
    listedAt: null,
    fault: null,
    ...rest,
  })
  const models = own.models ?? versioned?.models ?? ollama?.models
  const listedAt = versioned?.models ? versionedUrl : null
  if (models) return probe({ kind: 'LISTED', models: keptModels(models, deployment.upstreamModel), listedAt })
  const fault = faultOf(own)
  // The base URL may be unknown to the server while the path with `/v1` asks for a secret.
  return probe(fault.kind === 'SILENT' && versioned ? faultOf(versioned) : fault)
}

/** The URL with `/v1` appended; null if it ends with a version already. */
export function versionedBase(url: string): string | null {
  return /\/v\d+[a-z0-9]*$/.test(new URL(url).pathname) ? null : `${url}/v1`
}

/** Whether the list contains the model. Ollama lists `name:latest` for a model that is called by `name`. */
export function isListed(models: readonly string[], upstreamModel: string): boolean {
  return models.includes(upstreamModel) || models.includes(`${upstreamModel}:latest`)
}

/** The part of a long list that is stored, always with the model that the deployment serves. */
function keptModels(models: readonly string[], upstreamModel: string): readonly string[] {
  if (models.length <= maxKeptModels) return models
  const servedModels = models.filter((model) => isListed([model], upstreamModel)).slice(0, 1)
  return [...servedModels, ...models.filter((model) => !servedModels.includes(model))].slice(0, maxKeptModels)
}

interface Asked {
  readonly url: string
  readonly result: UpstreamHttpResult
  /** Null: the answer is not a list of models, or the list is empty. */
  readonly models: readonly string[] | null
  readonly secret: string | null
}

async function askForModels(
  control: ControlContext,
  { secret, caCertificates }: Backend,
  url: string,
  deadlineMs: number,
): Promise<Asked> {
  const result = await control.upstreamHttp.send({
    method: 'GET',
    url,
    headers: new Map([
      ['accept', 'application/json'],
      ...(secret === null ? [] : [['authorization', `Bearer ${secret}`] as const]),
    ]),
    body: null,
    proxyUrl: null,
    caCertificates,
    timeoutMs: Math.max(1, Math.round(deadlineMs - performance.now())),
    maxBytes: maxAnswerBytes,
  })
  const isList = result.kind === 'answer' && result.status >= 200 && result.status < 300 && !result.isCut
  const names = isList ? (readModelList(parseJson(result.body), '')?.models ?? []).map(({ name }) => name) : []
  return { url, result, models: names.length === 0 ? null : names, secret }
}

/** Why the endpoint lists no models at its base URL. Some servers list none and serve nevertheless. */
function faultOf({ url, result, secret }: Asked): Pick<EndpointProbe, 'kind' | 'fault'> {
  const call = { method: 'GET', url, hasSecret: secret !== null, proxyUrl: null }
  if (result.kind === 'failure') {
    const kind = result.cause === 'FORBIDDEN_ADDRESS' ? 'FORBIDDEN_ADDRESS' : 'UNREACHABLE'
    return { kind, fault: `GET ${url} ${describeFailure(result.cause, call)}` }
  }
  const { status } = result
  const say = () =>
    `GET ${url} ${describeStatus(status, call)}${describeReason(result.body, secret === null ? [] : [secret])}`
  if (status === 401 || status === 403) return { kind: 'CREDENTIAL_REFUSED', fault: say() }
  if (status >= 500) return { kind: 'UNREACHABLE', fault: say() }
  return { kind: 'SILENT', fault: null }
}
