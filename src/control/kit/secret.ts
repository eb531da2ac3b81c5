import { refuseInput } from './refusal.ts'

/** The secret. Throws unless it can be sent in a header: 1 to 4,096 visible ASCII characters (RFC 9110, § 5.5). */
export function requireSecret(secret: string, path: readonly string[]): string {
  if (secret.length === 0 || secret.length > 4_096)
    throw refuseInput('INVALID', path, 'A secret has 1 to 4,096 characters.')
  if (!/^[\x21-\x7e]+$/.test(secret))
    throw refuseInput('INVALID', path, 'A secret has visible ASCII characters only, no white space.')
  return secret
}

/** The last four characters of a secret, to identify it; empty for a short secret, of which they would reveal too much. */
export function hintOf(secret: string): string {
  return secret.length >= 8 ? secret.slice(-4) : '****'
}
