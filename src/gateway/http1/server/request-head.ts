/**
 * The head of a request: what HTTP needs of it, what the gateway reads in it, and what of it upstream may see. Strict where
 * RFC 9112 lets a server be lenient: a head that two programs could read in two ways is refused.
 */

import { fieldValue, isToken, namesAsWritten, token } from '../header-lines.ts'

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
  'access-control-request-headers',
  'access-control-request-method',
  'access-control-request-private-network',
  'api-key',
  'authorization',
  'connection',
  'content-encoding',
  'content-length',
  'expect',
  'host',
  'origin',
  'transfer-encoding',
  'upgrade',
  'x-api-key',
  'x-session-id',
]

const knownNames = namesAsWritten([...forwardedNames, ...readNames])

/** Without control characters, and without a CR or LF that lacks the other. */
const headShape = /^[\t\x20-\x7e\x80-\xff]*(?:\r\n[\t\x20-\x7e\x80-\xff]*)*$/

/** The first line of a request, as far as it has come; empty lines may stand before it (RFC 9112 § 2.2). */
const beginningShape = new RegExp(`^[\\r\\n]*(${token}) ([\\x21-\\x7e\\x80-\\xff]+)(?:$| HTTP/1\\.[01](?:[\\r\\n]|$))`)

/**
 * Of a head that is not read any further: its method and its target, by the beginning of its text. Both are empty if that is not
 * the beginning of a request.
 */
export function headOfBeginning(text: string): RequestHead {
  const head = new RequestHead()
  const [, method = '', target = ''] = beginningShape.exec(text) ?? []
  head.method = method
  head.target = target
  return head
}

export class RequestHead {
  method = ''
  /** The request target, as it was sent. */
  target = ''
  isHttp10 = false
  hosts = 0
  /** Of the `Host` header, as it was sent. */
  host = ''
  /** The `Expect` header in lower case; null if there is none. */
  expectation: string | null = null
  contentType = ''
  /** Null if it is not stated. */
  contentLength: number | null = null
  isChunked = false
  /** The value of `x-session-id`; empty if there is none. */
  sessionId = ''
  /** How the body is compressed, in lower case; empty: it is not. Several codings are joined by commas. */
  contentEncoding = ''
  /** The protocol that the client would rather speak; empty: it asks for no other. */
  upgrade = ''
  /** The web page that a browser asks for; null: it is no browser, or it asks for itself. */
  origin: string | null = null
  /** What a browser asks before it sends a request; null: it is no such question. */
  preflight: Preflight | null = null
  /** Name, value, name, value, …, names in lower case: what upstream sees of the client's headers. */
  forwarded: string[] = []
  /** The lines of its headers, for what only some upstreams see. */
  #lines = ''
  #authorization = ''
  #xApiKey = ''
  #apiKey = ''
  #connection = ''
  #hasContentType = false

  /** The fault of a head, given as text without the empty line at its end; null if there is none. */
  read(text: string): string | null {
    if (!headShape.test(text)) return 'its head has characters that may not be there'
    const end = text.indexOf('\r\n')
    return (
      this.#readRequestLine(end < 0 ? text : text.slice(0, end)) ?? (end < 0 ? null : this.#readLines(text, end + 2))
    )
  }

  /** Whether the client would send another request on this connection. */
  get keepsAlive(): boolean {
    if (this.#connection === '') return !this.isHttp10
    // RFC 9112 § 6.1: another program might not have read its body by its chunks, and seen another request in it.
    if (this.isHttp10 && this.isChunked) return false
    return this.isHttp10 ? /\bkeep-alive\b/i.test(this.#connection) : !/\bclose\b/i.test(this.#connection)
  }

  get hasBody(): boolean {
    return this.isChunked || (this.contentLength ?? 0) > 0
  }

  /**
   * What an upstream sees that gets these headers, too, in the form of `forwarded`. It is read anew from the text: most
   * upstreams get no more than the fixed list, and no request pays for those of others.
   */
  forwardedWith(names: ReadonlySet<string>): readonly string[] {
    const pairs = this.forwarded.slice()
    const text = this.#lines
    for (let at = 0; at < text.length;) {
      const next = text.indexOf('\r\n', at)
      const end = next < 0 ? text.length : next
      const colon = text.indexOf(':', at)
      const name = alsoPassed(text.slice(at, colon), names)
      if (name !== undefined) pairs.push(name, fieldValue(text, colon + 1, end))
      at = end + 2
    }
    return this.#hasListedNames ? withoutListed(pairs, this.#connection) : pairs
  }

  /** Whether `Connection` lists more than how it goes on. */
  get #hasListedNames(): boolean {
    return this.#connection !== '' && !/^(keep-alive|close)$/i.test(this.#connection)
  }

  /** The client's key, bare; null if it sent none. Of several, the first. */
  get key(): string | null {
    return keyOf(this.#authorization, this.#xApiKey, this.#apiKey)
  }

  /** All keys that the client sent, bare, in the order in which they count. */
  get keys(): readonly string[] {
    return keysOf(this.#authorization, this.#xApiKey, this.#apiKey)
  }

  #readRequestLine(line: string): string | null {
    const methodEnd = line.indexOf(' ')
    const targetEnd = line.lastIndexOf(' ')
    this.method = line.slice(0, methodEnd)
    this.target = line.slice(methodEnd + 1, targetEnd)
    const version = line.slice(targetEnd + 1)
    this.isHttp10 = version === 'HTTP/1.0'
    if (version !== 'HTTP/1.1' && !this.isHttp10) return 'it is not HTTP/1.1'
    const isRequest = methodEnd < targetEnd && (this.method === 'POST' || isToken(this.method))
    return isRequest && !this.target.includes(' ') ? null : 'its first line is not a request'
  }

  #readLines(text: string, from: number): string | null {
    this.#lines = text.slice(from)
    for (let at = from; at < text.length;) {
      const next = text.indexOf('\r\n', at)
      const end = next < 0 ? text.length : next
      const colon = text.indexOf(':', at)
      if (colon < 0 || colon > end) return 'a header has no name'
      const written = text.slice(at, colon)
      const name = knownNames.get(written) ?? nameOf(written)
      if (name === undefined) return 'the name of a header is malformed'
      const fault = name === '' ? null : this.#readHeader(name, fieldValue(text, colon + 1, end))
      if (fault) return fault
      at = end + 2
    }
    if (this.isChunked && this.contentLength !== null) return 'it has a Content-Length and a Transfer-Encoding'
    if (this.#hasListedNames) this.forwarded = withoutListed(this.forwarded, this.#connection)
    return null
  }

  #readContentEncoding(value: string): void {
    if (value === '' || value === 'identity') return
    this.contentEncoding += this.contentEncoding === '' ? value : `,${value}`
  }

  /** Of repeated headers the first counts, unless they say how the body is to be read. */
  #readHeader(name: string, value: string): string | null {
    switch (name) {
      case 'host':
        this.hosts++
        this.host = value
        break
      case 'authorization':
        this.#authorization ||= value
        break
      case 'x-api-key':
        this.#xApiKey ||= value
        break
      case 'x-session-id':
        this.sessionId ||= value
        break
      case 'api-key':
        this.#apiKey ||= value
        break
      case 'content-length':
        if (this.contentLength !== null || !/^\d{1,15}$/.test(value)) return 'its Content-Length is not one number'
        this.contentLength = Number(value)
        break
      case 'transfer-encoding':
        if (this.isChunked || value.toLowerCase() !== 'chunked') return 'its Transfer-Encoding is not "chunked"'
        this.isChunked = true
        break
      case 'content-encoding':
        this.#readContentEncoding(value.toLowerCase())
        break
      case 'upgrade':
        // RFC 9110 § 7.8: a client of HTTP/1.0 cannot mean it.
        if (!this.isHttp10) this.upgrade += this.upgrade === '' ? value : `,${value}`
        break
      case 'origin':
        this.origin ??= value
        break
      case 'access-control-request-method':
      case 'access-control-request-headers':
      case 'access-control-request-private-network':
        this.preflight = { ...this.preflight, [name]: value }
        break
      case 'expect':
        // RFC 9110 § 10.1.1: a client of HTTP/1.0 cannot mean it.
        if (!this.isHttp10) this.expectation ??= value.toLowerCase()
        break
      case 'connection':
        this.#connection += this.#connection === '' ? value : `,${value}`
        break
      case 'content-type':
        // Upstream would get both, and might read the body by the other.
        if (this.#hasContentType) return 'it has two Content-Types'
        this.#hasContentType = true
        this.contentType = value
        this.forwarded.push(name, value)
        break
      default:
        this.forwarded.push(name, value)
    }
    return null
  }
}

/** Headers of a question that a browser asks before a request (CORS). */
export interface Preflight {
  readonly 'access-control-request-method'?: string
  readonly 'access-control-request-headers'?: string
  readonly 'access-control-request-private-network'?: string
}

/**
 * The key that a client gave in one of three headers, bare; null if it gave none. A credential of another kind counts as a key
 * that is wrong, not as none.
 */
export function keyOf(authorization: string, xApiKey: string, apiKey: string): string | null {
  const key = /^bearer(?: |$)/i.test(authorization) ? authorization.slice(7).trim() : authorization
  return key || xApiKey || apiKey || null
}

/** All keys of the three headers, bare, in the order in which they count. */
export function keysOf(authorization: string, xApiKey: string, apiKey: string): readonly string[] {
  return [keyOf(authorization, '', '') ?? '', xApiKey, apiKey].filter((key) => key !== '')
}

/** The name in lower case of a header that passes only where an operator says so; undefined: it is none of `names`. */
function alsoPassed(written: string, names: ReadonlySet<string>): string | undefined {
  if (knownNames.has(written)) return undefined
  const name = written.toLowerCase()
  return names.has(name) && !knownNames.has(name) ? name : undefined
}

/** The known name; empty if the gateway does not read this header, undefined if the text is not a header name. */
function nameOf(written: string): string | undefined {
  if (!isToken(written)) return undefined
  return knownNames.get(written.toLowerCase()) ?? ''
}

/** Headers that `Connection` lists are for this hop only (RFC 9110 § 7.6.1). */
function withoutListed(forwarded: string[], connection: string): string[] {
  const listed = new Set(connection.split(',').map((name) => name.trim().toLowerCase()))
  return forwarded.filter((_, i) => !listed.has(forwarded[i - (i % 2)]!))
}
