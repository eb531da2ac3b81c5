/**
 * What a JSON request says of its session: the top-level members by which requests belong together. It is asked only where the
 * route keeps sessions, of a body that is known to be one JSON object; nothing but these members is parsed.
 */

const quote = 0x22
const backslash = 0x5c
const comma = 0x2c
const colon = 0x3a
const openBrace = 0x7b
const closeBrace = 0x7d
const openBracket = 0x5b
const closeBracket = 0x5d

/** The first that a request has decides. */
const names = ['previous_response_id', 'conversation', 'prompt_cache_key', 'user'] as const
/** A name that is longer is of no interest to anybody. */
const longestName = 32

/** Longer values are no ids; an object is looked into no further. */
const longestValue = 1_024

/** The value that names the session, with the name of its member; null if there is none. */
export function sessionValueOf(body: Buffer): string | null {
  const found = topLevelMembers(body, names)
  for (const name of names) {
    const value = textOf(found.get(name))
    if (value !== null) return value
  }
  return null
}

/** A string, or the `id` of an object; null: it names nothing. */
function textOf(raw: Buffer | undefined): string | null {
  if (!raw || raw.length > longestValue) return null
  const value = parse(raw)
  const id = typeof value === 'object' && value !== null && 'id' in value ? value.id : value
  return typeof id === 'string' && id !== '' ? id : null
}

function parse(raw: Buffer): unknown {
  try {
    return JSON.parse(raw.toString())
  } catch {
    return undefined
  }
}

/**
 * The raw values of the members of these names (at most 32 characters long) in a body that is one JSON object; of a name that is
 * repeated the last, as parsers take it.
 */
export function topLevelMembers<Name extends string>(body: Buffer, names: readonly Name[]): ReadonlyMap<Name, Buffer> {
  const found = new Map<Name, Buffer>()
  let at = body.indexOf(openBrace) + 1
  while (at > 0 && at < body.length) {
    const keyStart = body.indexOf(quote, at)
    if (keyStart < 0) break
    const keyEnd = endOfString(body, keyStart)
    const valueStart = body.indexOf(colon, keyEnd) + 1
    const valueEnd = endOfValue(body, valueStart)
    const name = nameOf(body.subarray(keyStart, keyEnd), names)
    if (name) found.set(name, body.subarray(valueStart, valueEnd))
    at = valueEnd + 1
  }
  return found
}

/** Of a member's name with its quotes, which may be written with escapes. */
function nameOf<Name extends string>(raw: Buffer, names: readonly Name[]): Name | undefined {
  if (raw.length > 6 * longestName + 2) return undefined
  const text = raw.includes(backslash) ? parse(raw) : raw.toString('latin1', 1, raw.length - 1)
  return names.find((name) => name === text)
}

/** Behind the closing quote of the string that begins at `start`. */
function endOfString(body: Buffer, start: number): number {
  for (let at = start + 1; ;) {
    const end = body.indexOf(quote, at)
    if (end < 0) return body.length
    if (!isEscaped(body, end)) return end + 1
    at = end + 1
  }
}

function isEscaped(body: Buffer, at: number): boolean {
  let slashes = 0
  while (body[at - 1 - slashes] === backslash) slashes++
  return slashes % 2 === 1
}

/** Where the comma or brace behind the top-level value stands that begins at or behind `start`. */
function endOfValue(body: Buffer, start: number): number {
  let depth = 0
  for (let at = start; at < body.length;) {
    const byte = body[at]!
    if (byte === quote) {
      at = endOfString(body, at)
      continue
    }
    if (depth === 0 && (byte === comma || byte === closeBrace)) return at
    if (byte === openBrace || byte === openBracket) depth++
    else if (byte === closeBrace || byte === closeBracket) depth--
    at++
  }
  return body.length
}
