import type { ProviderConfiguration } from '../../routing/config/configuration.ts'
import { mayConfigureHeader } from '../../routing/vendors/provider-headers.ts'
import type { ProviderKind } from '../../routing/vendors/provider-kind.ts'
import { collectEach, collectMembers } from '../kit/collect-faults.ts'
import { refuseInput } from '../kit/refusal.ts'

const maxHeaders = 16

export interface HeaderInput {
  readonly name: string
  readonly value: string
}

/**
 * The stored form of the headers. Throws `INVALID` or `LIMIT_EXCEEDED` at the path of the fault. Messages never show a value, which may
 * be a secret.
 */
export function resolveHeaders(
  inputs: readonly HeaderInput[],
  kind: ProviderKind,
  path: readonly string[],
): ProviderConfiguration['headers'] {
  if (inputs.length > maxHeaders)
    throw refuseInput('LIMIT_EXCEEDED', path, `A provider has at most ${maxHeaders} headers.`)
  const seen = new Set<string>()
  const requireNew = (name: string, at: readonly string[]) => {
    requireHeaderName(name, kind, at)
    if (seen.has(name.toLowerCase())) throw refuseInput('INVALID', at, 'The header is listed twice.')
    seen.add(name.toLowerCase())
    return name
  }
  return collectEach(inputs, ({ name, value }, index) =>
    collectMembers<HeaderInput>({
      name: () => requireNew(name, [...path, String(index), 'name']),
      value: () => requireHeaderValue(value, [...path, String(index), 'value']),
    }),
  )
}

function requireHeaderName(name: string, kind: ProviderKind, path: readonly string[]): void {
  // RFC 9110 § 5.6.2
  if (name.length > 256 || !/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(name))
    throw refuseInput('INVALID', path, "A header's name has 1 to 256 letters, digits or characters of !#$%&'*+-.^_`|~.")
  if (!mayConfigureHeader(kind, name.toLowerCase()))
    throw refuseInput(
      'INVALID',
      path,
      `The header ${name} is set by the gateway. A key goes into \`secrets\`; the rest belongs to the connection.`,
    )
}

/** RFC 9110 § 5.5, but without bytes above ASCII, which servers interpret differently. */
function requireHeaderValue(value: string, path: readonly string[]): string {
  if (value.length > 4_096 || !/^[\x21-\x7e]([\t\x20-\x7e]*[\x21-\x7e])?$/.test(value))
    throw refuseInput(
      'INVALID',
      path,
      "A header's value has 1 to 4,096 visible ASCII characters, with blanks and tabs between them only.",
    )
  return value
}
