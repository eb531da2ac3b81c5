import type { AttemptPlan } from '../../routing/choose/next-attempt.ts'
import { oneLine, withoutSecrets } from '../../routing/errors/shown-text.ts'
import type { UpstreamCall } from '../upstream/call.ts'
import type { CallOutcome } from './call-outcome.ts'

const maxLength = 500
/** What of a page, or of any text, is looked at. */
const maxRead = 8192

/** The error of the upstream or the connection for an attempt's record: one line, bounded, without secrets. */
export function errorText({ error, text }: CallOutcome, { failure, status }: CallEnd, plan: AttemptPlan): string {
  const upstreamMessage = oneLine(error ? error.message || error.codes.join(' ') : readableText(text))
  const line = upstreamMessage || failure || (status > 0 ? `status ${status}` : 'no answer in time')
  return withoutSecrets(line, secretsOf(plan)).slice(0, maxLength).toWellFormed()
}

type CallEnd = Pick<UpstreamCall, 'failure' | 'status'>

/** Of a page its title, or else its words. */
function readableText(text: string): string {
  const read = text.slice(0, maxRead)
  const title = /<title[^>]*>([^<]{1,300})<\/title>/i.exec(read)?.[1]
  return title ?? read.replace(/<(?:style|script)[\s\S]*?<\/(?:style|script)>|<[^>]*>/gi, ' ')
}

function secretsOf({ backend, credential }: AttemptPlan): string[] {
  const secrets = credential ? [credential.secret] : []
  if (backend.kind === 'deployment') return backend.secret === null ? secrets : [...secrets, backend.secret]
  return [...secrets, ...backend.provider.headers.map(({ value }) => value)]
}
