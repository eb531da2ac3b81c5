/**
 * The event with a stream's usage that came only because the gateway asked for it
 * (https://platform.openai.com/docs/api-reference/chat/create#stream_options): what of it belongs to the client all the same.
 */
import type { ServerSentEvent } from './sse.ts'
import { saysSomething } from './event-json.ts'
import { withoutMember } from './json-member.ts'

/** Members that every chunk repeats without new information. */
const ofEveryChunk: ReadonlySet<string> = new Set([
  'id',
  'object',
  'created',
  'model',
  'choices',
  'usage',
  'system_fingerprint',
  'service_tier',
  'obfuscation',
])

/** What the client gets of such an event: its lines that are no data, and all of its data but the usage if there is more in it. */
export function withoutExtraUsage(event: ServerSentEvent, bytes: Buffer): Buffer {
  const json = event.json ?? {}
  const hasMore = Object.keys(json).some((name) => !ofEveryChunk.has(name) && saysSomething(json[name]))
  const lines = bytes.toString('latin1').match(linesOfEvent) ?? []
  const remainingLines = hasMore ? withoutUsage(lines) : lines.filter((line) => staysWithoutData.test(line))
  const last = lines.at(-1) ?? ''
  // A comment belongs to no event: whether it came together with this one or before it, the client gets the same.
  const needsEnd = !hasMore && isEmptyLine.test(last) && remainingLines.some((line) => !line.startsWith(':'))
  return Buffer.from(remainingLines.join('') + (needsEnd ? last : ''), 'latin1')
}

const linesOfEvent = /[^\r\n]*(?:\r\n|\n|\r)|[^\r\n]+/g
const isEmptyLine = /^[\r\n]/
/** What a client remembers of an event though it has no data: where to go on, and how long to wait before. Comments cost nothing. */
const staysWithoutData = /^(?:(?:id|retry)(?::|[\r\n]|$)|:)/
const dataLine = /^(\uFEFF?data(?:: ?)?)([^\r\n]*)(.*)$/s

/** JSON that goes on in several lines is in as many lines afterwards. */
function withoutUsage(lines: readonly string[]): string[] {
  const parts = lines.map((line) => dataLine.exec(line))
  const data = parts.flatMap((part) => (part ? [part[2]!] : [])).join('\n')
  const rest = withoutMember(Buffer.from(data, 'latin1'), 'usage').toString('latin1').split('\n')
  const [, prefix = 'data: ', , lineEnd = '\n'] = parts.find((part) => part !== null) ?? []
  const first = parts.findIndex((part) => part !== null)
  const written = rest.map((line, at) => (at === 0 ? prefix : 'data: ') + line + lineEnd)
  return lines.flatMap((line, at) => (at === first ? written : parts[at] ? [] : [line]))
}
