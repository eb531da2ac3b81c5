/** Header lines on the wire to and from upstreams (RFC 9110 § 5.5, RFC 9112 § 5): no other bytes than these are sent or read. */

const token = "[!#$%&'*+\\-.^_`|~0-9A-Za-z]+"
const text = '[\\t\\x20-\\x7e\\x80-\\xff]*'

const nameShape = new RegExp(`^${token}$`)
const valueShape = new RegExp(`^${text}$`)
// Nothing can be matched in two ways, so that what does not match is refused in one pass.
const headShape = new RegExp(`^HTTP/1\\.[01] [1-9]\\d\\d(?: ${text})?\r\n(?:${token}:${text}\r\n)*$`)

/** Whether it is a status line, and header lines behind it. The reason may be missing, as some servers have it. */
export function isAnswerHead(lines: string): boolean {
  return headShape.test(lines)
}

/** A line with its break. Throws if the name or the value cannot stand in one: what came behind could be another request. */
export function headerLine(name: string, value: string): string {
  // The message does not show the value: it may be a secret.
  if (!nameShape.test(name) || !valueShape.test(value)) throw new Error(`header ${JSON.stringify(name)} cannot be sent`)
  return `${name}: ${value}\r\n`
}
