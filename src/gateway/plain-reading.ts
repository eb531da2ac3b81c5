import { endOfBlock } from '../routing/answer-text.ts'
import type { UsageKind } from '../routing/operation.ts'
import type { TokenUsage } from '../routing/usage-record.ts'
import { UsageTally } from '../routing/usage-tally.ts'
import { AnswerBytes, keptWholeBytes } from './answer-bytes.ts'
import type { AnswerReading } from './answer-reading.ts'
import { isObject, type Json, parseEventJson } from './protocol/event-json.ts'
import { JsonPicker } from './protocol/json-picker.ts'
import type { StreamProtocol } from './protocol/stream-protocol.ts'

/** Reads a plain answer while it passes: a short one at its end, of a longer one what is wanted is picked out. */
export class PlainReading implements AnswerReading {
  readonly bytes = new AnswerBytes()
  readonly isReportFinal = true
  readonly #kind: UsageKind
  readonly #protocol: StreamProtocol
  #picker: JsonPicker | null = null

  constructor(kind: UsageKind, protocol: StreamProtocol) {
    this.#kind = kind
    this.#protocol = protocol
  }

  take(chunk: Buffer): void {
    const { bytes } = this
    if (this.#picker) this.#picker.push(chunk)
    else if (bytes.total + chunk.length > keptWholeBytes && this.#kind !== 'none') {
      this.#picker = new JsonPicker(this.#protocol.shape)
      this.#picker.push(Buffer.from(bytes.head() + bytes.tail(), 'latin1'))
      this.#picker.push(chunk)
    }
    bytes.add(chunk)
  }

  get isReadable(): boolean {
    return /^\s*[{[]/.test(this.bytes.head())
  }

  reportedTokens(): TokenUsage | null {
    const usage = this.#findUsage()
    if (!usage) return null
    const tally = new UsageTally(this.#kind)
    tally.add(usage, true)
    return tally.tokens()
  }

  #findUsage(): Json | undefined {
    const json = this.#picker ? this.#picker.end() : undefined
    if (json) return this.#protocol.findUsage(json)
    if (this.#picker) return undefined
    const text = this.bytes.head() + this.bytes.tail()
    if (!text.includes('_tokens"')) return undefined
    const last = lastMember(text)
    if (last) return last
    const all = parseEventJson(text)
    return all && this.#protocol.findUsage(all)
  }
}

const usageName = '"usage":{'

/** The object of a top-level `usage` behind which only short members come: nearly always that is so, and all else need not be parsed. */
function lastMember(text: string): Json | undefined {
  const at = text.lastIndexOf(usageName)
  if (at < 1 || text[at - 1] === '\\') return undefined
  const start = at + usageName.length - 1
  const end = endOfBlock(text, start)
  if (end < 0 || !plainRest.test(text.slice(end))) return undefined
  const usage = parseEventJson(text.slice(start, end))
  return isObject(usage) ? usage : undefined
}

/** Members without braces, up to the end of the text: one brace closes, so that they are those of the outermost object. */
const plainRest = /^(?:,"\w+":(?:"[^"\\]{0,200}"|[\w.+-]{1,40}|\{\}|\[\])){0,8}\s*\}\s*$/
