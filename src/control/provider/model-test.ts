import type { ProviderConfiguration } from '../../routing/config/configuration.ts'
import { providerHeaders } from '../../routing/vendors/provider-headers.ts'
import type { Ref } from '../../storage/database/ref.ts'
import { answerQuestion } from '../kit/run-query.ts'
import type { Answer, ControlContext } from '../kit/context.ts'
import { callable, requireProvider } from './probe.ts'
import { type Refusal, refuseInput } from '../kit/refusal.ts'
import { type ModelCall, shortCall } from '../probe/smallest-call.ts'
import { describeFailure, describeReason, describeStatus, refuseUpstream } from '../probe/upstream-fault.ts'

export interface ProviderModelTestInput {
  readonly provider: Ref
  /** The model's name at the provider. */
  readonly model: string
}

export interface ProviderModelTest {
  readonly ok: boolean
  /** Null if no answer came. */
  readonly status: number | null
  readonly latencyMs: number
  /** Why the test failed, with the code `UPSTREAM_FAILED`; null if it succeeded. */
  readonly fault: Refusal | null
}

/** Makes a short call to one model of a provider (a few tokens, one image, or a word of speech), with the first secret. */
export function testProviderModel(
  control: ControlContext,
  input: ProviderModelTestInput,
): Promise<Answer<ProviderModelTest>> {
  return answerQuestion(control, async () => {
    const provider = await requireProvider(control, input.provider, ['input', 'provider'])
    const model = requireModel(provider, input.model)
    return testModel(control, provider, shortCall(provider.kind, model))
  })
}

function requireModel(provider: ProviderConfiguration, name: string): ProviderConfiguration['models'][number] {
  const model = provider.models.find((each) => each.upstreamModel === name)
  if (!model)
    throw refuseInput('NOT_FOUND', ['input', 'model'], `It is not among the models of ${provider.name}: add it first.`)
  return model
}

async function testModel(
  control: ControlContext,
  provider: ProviderConfiguration,
  { path, contentType, body }: ModelCall,
): Promise<ProviderModelTest> {
  const url = provider.baseUrl + path
  const [secret = null] = callable(provider).secrets
  const call = { method: 'POST', url, hasSecret: secret !== null, proxyUrl: provider.proxyUrl }
  const result = await control.upstreamHttp.send({
    method: 'POST',
    url,
    headers: new Map([...providerHeaders(provider, secret), ['content-type', contentType]]),
    body,
    proxyUrl: provider.proxyUrl,
    caCertificates: provider.caCertificates,
    timeoutMs: 60_000,
    maxBytes: 64 * 1024,
  })
  const { latencyMs } = result
  const fail = (status: number | null, what: string) => {
    const [fault] = refuseUpstream(call, what).refusals
    return { ok: false, status, latencyMs, fault: fault! }
  }
  if (result.kind === 'failure') return fail(null, describeFailure(result.cause, call))
  const { status } = result
  if (status < 200 || status >= 300) {
    const { secrets, headers } = callable(provider)
    const reason = describeReason(result.body, [...secrets, ...headers.map(({ value }) => value)])
    return fail(status, describeModelStatus(status, call) + reason)
  }
  if (looksLikePage(result.body))
    return fail(status, 'answered with a web page. Is it the base URL of the API, with its path?')
  return { ok: true, status, latencyMs, fault: null }
}

function describeModelStatus(status: number, call: Parameters<typeof describeStatus>[1]): string {
  return status === 404
    ? 'answered 404: either the service does not know the model, or this is not its base URL.'
    : describeStatus(status, call)
}

/** Whether the body is an HTML page: web servers answer many paths with 200 and their start page. */
function looksLikePage(body: Buffer): boolean {
  return /^\s*<(!doctype|html)/i.test(body.toString('latin1', 0, 256))
}
