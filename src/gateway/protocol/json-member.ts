/** Top-level members of a JSON object in raw bytes. */

const quote = 0x22
const backslash = 0x5c
const comma = 0x2c
const openBracket = 0x5b
const closeBracket = 0x5d
const openBrace = 0x7b
const closeBrace = 0x7d

interface Member {
  readonly name: string
  /** Its name's first quotation mark. */
  readonly start: number
  /** The comma or brace behind its value. */
  readonly end: number
}

/** The bytes without each top-level member of this name, and without the comma that stood between it and the others. */
export function withoutMember(bytes: Buffer, name: string): Buffer {
  const members = membersOf(bytes)
  const pieces: Buffer[] = []
  let from = 0
  for (const [at, member] of members.entries()) {
    if (member.name !== name) continue
    const isLast = members.slice(at + 1).every((next) => next.name === name)
    const before = members.slice(0, at).findLast((previous) => previous.name !== name)
    // Of the last one, the comma before it goes, which stands behind another.
    const start = isLast && before ? before.end : member.start
    pieces.push(bytes.subarray(from, Math.max(from, start)))
    from = bytes[member.end] === comma && !(isLast && before) ? member.end + 1 : member.end
  }
  return from === 0 ? bytes : Buffer.concat([...pieces, bytes.subarray(from)])
}

/** Of an object in valid JSON. */
function membersOf(bytes: Buffer): Member[] {
  const members: Member[] = []
  let at = bytes.indexOf(openBrace) + 1
  while (at > 0 && at < bytes.length) {
    const start = bytes.indexOf(quote, at)
    if (start < 0) break
    const nameEnd = endOfString(bytes, start)
    const end = endOfValue(bytes, nameEnd)
    members.push({ name: readName(bytes.subarray(start, nameEnd)), start, end })
    if (bytes[end] !== comma) break
    at = end + 1
  }
  return members
}

/** Behind the quotation mark that ends the string which begins at `start`. */
function endOfString(bytes: Buffer, start: number): number {
  for (let at = start + 1; at < bytes.length; at++) {
    if (bytes[at] === backslash) at++
    else if (bytes[at] === quote) return at + 1
  }
  return bytes.length
}

/** The comma or brace behind the value whose name ends at `from`. */
function endOfValue(bytes: Buffer, from: number): number {
  let depth = 0
  for (let at = from; at < bytes.length; at++) {
    const byte = bytes[at]
    if (byte === quote) at = endOfString(bytes, at) - 1
    else if (byte === openBrace || byte === openBracket) depth++
    else if (depth === 0 && (byte === comma || byte === closeBrace)) return at
    else if (byte === closeBrace || byte === closeBracket) depth--
  }
  return bytes.length
}

function readName(quoted: Buffer): string {
  try {
    return String(JSON.parse(quoted.toString()))
  } catch {
    return ''
  }
}
