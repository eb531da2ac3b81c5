import { fieldValue, isAnswerHead, namesAsWritten } from '../header-lines.ts'
import { passedNames } from './response-headers.ts'

const maxRequestIdLength = 128

export type HeaderPair = readonly [name: string, value: string]

/** What the gateway reads of the status line and the headers of an upstream's answer. */
export class AnswerHead {
  readonly status: number
  /** Name, value, name, value, …, names in lower case: what the client sees. The length of the body is not among them. */
  readonly passed: string[] = []
  contentType = ''
  /** How the body is compressed, or coded in another way, in lower case; empty: it is not. */
  encoding = ''
  /** What upstream says of its body; null: nothing. */
  contentLength: number | null = null
  /** Of several, the first. */
  retryAfter: string | null = null
  hasDate = false
  /** Upstream's own id of the request, for its support. */
  requestId: string | null = null
  /** Lists of tokens as upstream wrote them, joined where there are several; empty: there is none. */
  connection = ''
  keepAlive = ''
  /** Null: there is none, not even an empty one. */
  transferEncoding: string | null = null
  /** Whether `Connection` may list names of headers. */
  #hasListed = false

  /** All of its headers as upstream wrote them: lines with a status line before them, or names with their values. */
  readonly #written: string | readonly HeaderPair[]

  constructor(status: number, written: string | readonly HeaderPair[]) {
    this.status = status
    this.#written = written
  }

  /** Reads a header; `value` has no white space around it. Returns false if the framing of the body would be ambiguous. */
  add(writtenName: string, value: string): boolean {
    const name = findName(writtenName)
    return name === undefined || this.#read(name, value)
  }

  #read(name: string, value: string): boolean {
    switch (name) {
      case 'content-length':
        return this.#readLength(value)
      case 'connection':
        this.connection = joined(this.connection, value)
        this.#hasListed ||= !isUsual.test(value)
        return true
      case 'transfer-encoding':
        this.transferEncoding = joined(this.transferEncoding ?? '', value)
        return true
      case 'keep-alive':
        this.keepAlive = joined(this.keepAlive, value)
        return true
      case 'content-type':
        this.contentType ||= value
        break
      case 'content-encoding':
        if (value.toLowerCase() !== 'identity') this.encoding = joined(this.encoding, value.toLowerCase())
        break
      case 'retry-after':
        this.retryAfter ??= value
        break
      case 'date':
        this.hasDate = true
        break
      case 'x-request-id':
        this.#readRequestId(value)
        return true
      case 'request-id':
        this.#readRequestId(value)
        break
      default:
    }
    this.passed.push(name, value)
    return true
  }

  #readRequestId(value: string): void {
    if (this.requestId === null && value !== '') this.requestId = value.slice(0, maxRequestIdLength)
  }

  /**
   * What the client sees if these headers pass, too; to be added to. They are looked for in what upstream wrote: most
   * upstreams' answers pass no more than the fixed list.
   */
  passedWith(names: ReadonlySet<string>): string[] {
    const passed = this.passed.slice()
    const passedAnyway = new Set(this.passed.filter((_, at) => at % 2 === 0))
    const dropped = this.#hasListed ? listedNames(this.connection) : null
    for (const [written, value] of typeof this.#written === 'string' ? pairsIn(this.#written) : this.#written) {
      const name = written.toLowerCase()
      if (names.has(name) && !passedAnyway.has(name) && !dropped?.has(name)) passed.push(name, value)
    }
    return passed
  }

  /** The body passes decoded. */
  dropEncoding(): void {
    this.#drop((name) => name === 'content-encoding')
  }

  /** Treats the body as an event stream, whatever its content type is. */
  nameEventStream(): void {
    this.#drop((name) => name === 'content-type')
    this.contentType = 'text/event-stream; charset=utf-8'
    this.passed.push('content-type', this.contentType)
  }

  #drop(isDropped: (name: string) => boolean): void {
    const remaining = this.passed.filter((_, at) => !isDropped(this.passed[at - (at % 2)]!))
    this.passed.splice(0, this.passed.length, ...remaining)
  }

  /** All headers were added: those that `Connection` lists were meant for the gateway alone (RFC 9110 § 7.6.1). */
  end(): void {
    if (!this.#hasListed) return
    const dropped = listedNames(this.connection)
    this.#drop((name) => dropped.has(name))
  }

  /** The same length twice says no more than once (RFC 9110 § 8.6); two lengths are an attack, or as bad as one. */
  #readLength(value: string): boolean {
    if (!/^\d{1,15}$/.test(value)) return false
    const length = Number(value)
    const isSame = this.contentLength === null || this.contentLength === length
    this.contentLength = length
    return isSame
  }
}

/** What `Connection` nearly always says, and which is no header's name. */
const isUsual = /^(?:keep-alive|close)$/i

const knownNames = namesAsWritten([
  ...passedNames,
  'connection',
  'content-length',
  'keep-alive',
  'transfer-encoding',
  'x-request-id',
])

/** The name in lower case of a header that is of interest. */
function findName(written: string): string | undefined {
  return knownNames.get(written) ?? knownNames.get(written.toLowerCase())
}

function listedNames(connection: string): ReadonlySet<string> {
  return new Set(connection.split(',').map((name) => name.trim().toLowerCase()))
}

function joined(list: string, value: string): string {
  return list === '' ? value : `${list},${value}`
}

/** The lines of a head in Latin-1, with the line break of the last; null: they are malformed. */
export function readAnswerHead(lines: string): AnswerHead | null {
  if (!isAnswerHead(lines)) return null
  const head = new AnswerHead(Number(lines.slice(9, 12)), lines)
  let at = lines.indexOf('\r\n') + 2
  while (at < lines.length) {
    const colon = lines.indexOf(':', at)
    const end = lines.indexOf('\r\n', colon)
    if (!head.add(lines.slice(at, colon), fieldValue(lines, colon + 1, end))) return null
    at = end + 2
  }
  head.end()
  return head
}

function pairsIn(lines: string): HeaderPair[] {
  const [, ...headers] = lines.split('\r\n').filter((line) => line !== '')
  return headers.map((line) => {
    const colon = line.indexOf(':')
    return [line.slice(0, colon), fieldValue(line, colon + 1, line.length)]
  })
}
