/** Header lines on the wire (RFC 9110 § 5.5, RFC 9112 § 5): no other bytes than these are sent or read. */

/** A token (RFC 9110 § 5.6.2), as a part of a pattern. */
export const token = "[!#$%&'*+\\-.^_`|~0-9A-Za-z]+"
const text = '[\\t\\x20-\\x7e\\x80-\\xff]*'

const nameShape = new RegExp(`^${token}$`)
const valueShape = new RegExp(`^${text}$`)
// Nothing can be matched in two ways, so that what does not match is refused in one pass.
const headShape = new RegExp(`^HTTP/1\\.[01] [1-9]\\d\\d(?: ${text})?\r\n(?:${token}:${text}\r\n)*$`)

/** Whether it is a status line, and header lines behind it. The reason may be missing, as some servers have it. */
export function isAnswerHead(lines: string): boolean {
  return headShape.test(lines)
}

/** Whether it is a token, as names of headers and methods are (RFC 9110 § 5.6.2). */
export function isToken(text: string): boolean {
  return nameShape.test(text)
}

/**
 * These names in lower case, by the ways in which they are mostly written: whoever looks for one need not lower the case of
 * each name first.
 */
export function namesAsWritten(names: readonly string[]): ReadonlyMap<string, string> {
  return new Map(names.flatMap((name) => [[name, name] as const, [titleCase(name), name] as const]))
}

function titleCase(name: string): string {
  return name.replaceAll(/(^|-)[a-z]/g, (start) => start.toUpperCase())
}

/** A part of the text without the spaces and tabs around it: `trim` takes away more, and of a value in UTF-8 half a character. */
export function fieldValue(text: string, from: number, to: number): string {
  let start = from
  let end = to
  while (start < end && isBlank(text.charCodeAt(start))) start++
  while (end > start && isBlank(text.charCodeAt(end - 1))) end--
  return text.slice(start, end)
}

function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09
}

/** A line with its break. Throws if the name or the value cannot stand in one: what came behind could be another request. */
export function headerLine(name: string, value: string): string {
  // The message does not show the value: it may be a secret.
  if (!nameShape.test(name) || !valueShape.test(value)) throw new Error(`header ${JSON.stringify(name)} cannot be sent`)
  return `${name}: ${value}\r\n`
}
