/** A parameter of a header's value. */
export interface Parameter {
  /** In lower case. */
  readonly name: string
  /** As it stands there: without the quotes around it, with the escapes in it. */
  readonly raw: string
  readonly isQuoted: boolean
}

const leading = /^[!#$%&'*+\-./^_`|~0-9A-Za-z]+/
const parameter =
  /[ \t]*;[ \t]*([!#$%&'*+\-.^_`|~0-9A-Za-z]+)[ \t]*=[ \t]*(?:"([^"\\]*(?:\\.[^"\\]*)*)"|([^\s;"\\]+))/gy
// One way to read each text: else a long run of blanks would be tried in all ways.
const trailing = /^[ \t]*(?:;[ \t]*)?$/

/**
 * The parameters of `value; name=value; name="value"` (RFC 2045 § 5.1, RFC 6266 § 4.1); undefined if it is not that. Values
 * without quotes may have more characters than the RFCs let them, as clients send them.
 */
export function readParameters(header: string): readonly Parameter[] | undefined {
  const first = leading.exec(header)?.[0]
  if (first === undefined) return undefined
  const rest = header.slice(first.length)
  const matches = [...rest.matchAll(parameter)]
  const length = matches.reduce((sum, [text]) => sum + text.length, 0)
  if (!trailing.test(rest.slice(length))) return undefined
  return matches.map(([, name, quoted, bare]) => ({
    name: name!.toLowerCase(),
    raw: quoted ?? bare!,
    isQuoted: quoted !== undefined,
  }))
}

/** The value that a parameter means. */
export function valueOf({ raw, isQuoted }: Parameter): string {
  return isQuoted ? raw.replaceAll(/\\(.)/g, '$1') : raw
}
