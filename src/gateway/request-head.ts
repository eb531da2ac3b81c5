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
const isForwarded = new Set(forwardedNames)

function titleCase(name: string): string {
  return name.replaceAll(/(^|-)[a-z]/g, (start) => start.toUpperCase())
}

/** Reads the headers as Node gives them: name, value, name, value, … */
export function readHead(rawHeaders: readonly string[]): RequestHead {
  const found = new Map<string, string>()
  const forwarded: string[] = []
  let hosts = 0
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const written = rawHeaders[i]!
    const name = knownNames.get(written) ?? knownNames.get(written.toLowerCase())
    if (name === undefined) continue
    const value = rawHeaders[i + 1]!
    if (isForwarded.has(name)) forwarded.push(name, value)
    if (name === 'host') hosts++
    if (!found.has(name)) found.set(name, value)
  }
  const length = found.get('content-length')
  const encoding = found.get('content-encoding')
  return {
    key: readKey(found),
    hosts,
    expectation: found.get('expect')?.toLowerCase() ?? null,
    contentType: found.get('content-type') ?? '',
    contentLength: length === undefined ? null : Number(length),
    isChunked: found.has('transfer-encoding'),
    isEncoded: encoding !== undefined && encoding.toLowerCase() !== 'identity',
    forwarded: withoutListed(forwarded, found.get('connection')),
  }
}

/** A credential of another kind counts as a key that is wrong, not as none. */
function readKey(found: ReadonlyMap<string, string>): string | null {
  const authorization = found.get('authorization')
  const key =
    authorization !== undefined && /^bearer /i.test(authorization) ? authorization.slice(7).trim() : authorization
  return key || found.get('x-api-key') || found.get('api-key') || null
}

/** Headers that `Connection` lists are for this hop only (RFC 9110 § 7.6.1). */
function withoutListed(forwarded: string[], connection: string | undefined): string[] {
  if (connection === undefined || /^(keep-alive|close)$/i.test(connection)) return forwarded
  const listed = new Set(connection.split(',').map((name) => name.trim().toLowerCase()))
  return forwarded.filter((_, i) => !listed.has(forwarded[i - (i % 2)]!))
}
