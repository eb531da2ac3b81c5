/** What the gateway reads in a request's headers, and what of them upstream may see. */

export interface RequestHead {
  /** The client's key, bare; null if it sent none. */
  readonly key: string | null
  readonly hosts: number
  /** Of the `Expect` header; null: there is none. */
  readonly expectation: string | null
  readonly contentType: string
  /** Null if it is not stated. */
  readonly contentLength: number | null
  readonly isChunked: boolean
  /** Whether the body is compressed. */
  readonly isEncoded: boolean
  /** Name, value, name, value, …, names in lower case: what upstream sees of the client's headers. */
  readonly forwarded: readonly string[]
}

/** All that passes from clients to upstreams. Keys, cookies and hop-by-hop headers are not here, and so never pass. */
const forwardedNames = [
  'accept',
  'accept-language',
  'anthropic-beta',
  'anthropic-version',
  'content-type',
  'http-referer',
  'idempotency-key',
  'openai-beta',
  'traceparent',
  'tracestate',
  'user-agent',
  'x-title',
]

const readNames = [
  'api-key',
  'authorization',
  'connection',
  'content-encoding',
  'content-length',
  'expect',
  'host',
  'transfer-encoding',
  'x-api-key',
]

/** Names as clients write them, to the name in lower case: most lookups need no lower-casing. */
const knownNames = new Map<string, string>(
  [...forwardedNames, ...readNames].flatMap((name) => [
    [name, name],
    [titleCase(name), name],
  ]),
)

function titleCase(name: string): string {
  return name.replaceAll(/(^|-)[a-z]/g, (start) => start.toUpperCase())
}

/** Reads the headers as Node gives them: name, value, name, value, … Of repeated ones the first counts. */
export function readHead(rawHeaders: readonly string[]): RequestHead {
  return new HeadReader(rawHeaders)
}

class HeadReader implements RequestHead {
  hosts = 0
  expectation: string | null = null
  contentType = ''
  contentLength: number | null = null
  isChunked = false
  isEncoded = false
  forwarded: string[] = []
  #authorization = ''
  #xApiKey = ''
  #apiKey = ''
  #connection = ''

  constructor(rawHeaders: readonly string[]) {
    for (let i = 0; i < rawHeaders.length; i += 2) {
      const written = rawHeaders[i]!
      const name = knownNames.get(written) ?? knownNames.get(written.toLowerCase())
      if (name !== undefined) this.#read(name, rawHeaders[i + 1]!)
    }
    if (this.#connection !== '' && !/^(keep-alive|close)$/i.test(this.#connection))
      this.forwarded = withoutListed(this.forwarded, this.#connection)
  }

  /** A credential of another kind counts as a key that is wrong, not as none. */
  get key(): string | null {
    const authorization = this.#authorization
    const key = /^bearer /i.test(authorization) ? authorization.slice(7).trim() : authorization
    return key || this.#xApiKey || this.#apiKey || null
  }

  #read(name: string, value: string): void {
    switch (name) {
      case 'host':
        this.hosts++
        break
      case 'authorization':
        this.#authorization ||= value
        break
      case 'x-api-key':
        this.#xApiKey ||= value
        break
      case 'api-key':
        this.#apiKey ||= value
        break
      case 'content-length':
        this.contentLength ??= Number(value)
        break
      case 'transfer-encoding':
        this.isChunked = true
        break
      case 'content-encoding':
        this.isEncoded ||= value.toLowerCase() !== 'identity'
        break
      case 'expect':
        this.expectation ??= value.toLowerCase()
        break
      case 'connection':
        this.#connection += this.#connection === '' ? value : `,${value}`
        break
      case 'content-type':
        this.contentType ||= value
        this.forwarded.push(name, value)
        break
      default:
        this.forwarded.push(name, value)
    }
  }
}

/** Headers that `Connection` lists are for this hop only (RFC 9110 § 7.6.1). */
function withoutListed(forwarded: string[], connection: string): string[] {
  const listed = new Set(connection.split(',').map((name) => name.trim().toLowerCase()))
  return forwarded.filter((_, i) => !listed.has(forwarded[i - (i % 2)]!))
}
