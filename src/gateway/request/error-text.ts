import type { AttemptPlan } from '../../routing/next-attempt.ts'
import type { UpstreamCall } from '../upstream/call.ts'
import type { CallOutcome } from './call-outcome.ts'

const maxLength = 500
/** What of a page, or of any text, is looked at. */
const maxRead = 8192

/** What upstream or the connection said of an attempt's failure, for its record: one line, bounded, without secrets. */
export function errorText({ error, text }: CallOutcome, { failure, status }: CallEnd, plan: AttemptPlan): string {
  const said = oneLine(error ? error.message || error.codes.join(' ') : readableText(text))
  const line = said || failure || (status > 0 ? `status ${status}` : 'no answer in time')
  return withoutSecrets(line, plan).slice(0, maxLength).toWellFormed()
}

type CallEnd = Pick<UpstreamCall, 'failure' | 'status'>

/** Of a page its title, or else its words. */
function readableText(text: string): string {
  const read = text.slice(0, maxRead)
  const title = /<title[^>]*>([^<]{1,300})<\/title>/i.exec(read)?.[1]
  return title ?? read.replace(/<(?:style|script)[\s\S]*?<\/(?:style|script)>|<[^>]*>/gi, ' ')
}

function oneLine(text: string): string {
  // eslint-disable-next-line no-control-regex -- PostgreSQL refuses U+0000, and a terminal obeys the others.
  return text.replace(/[\s\u0000-\u001f\u007f-\u009f]+/g, ' ').trim()
}

/** Shapes of keys that vendors quote, or that a proxy prints. */
const keyShape =
  /\b(?:sk|pk|rk|gsk|xai|sbx|hf|nvapi|AIza|csk|fw|pplx|key)[-_][\w*.…-]{6,}|\bAIza[\w-]{20,}|\bBearer\s+\S+/gi

function withoutSecrets(text: string, plan: AttemptPlan): string {
  let clean = text
  for (const secret of secretsOf(plan)) if (secret.length >= 4) clean = clean.replaceAll(secret, '***')
  return clean.replace(keyShape, '***')
}

function secretsOf({ backend, credential }: AttemptPlan): string[] {
  const secrets = credential ? [credential.secret] : []
  if (backend.kind === 'deployment') return backend.secret === null ? secrets : [...secrets, backend.secret]
  return [...secrets, ...backend.provider.headers.map(({ value }) => value)]
}
