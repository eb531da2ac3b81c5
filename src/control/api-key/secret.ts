import { randomInt } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { hashApiKey } from '../kit/actor.ts'

const alphabet = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const publicLength = 8
const randomLength = 32
const checksumLength = 6

/** The `prefix` of the key from the environment, by which it is found again when the variable changes. */
export const environmentPrefix = 'SIGNALBOX_ADMIN_KEY'

export interface ApiKeySecret {
  /** The whole key: shown once, never stored. */
  readonly secret: string
  /** `sbx_` and the public characters: enough to find the key in a log. */
  readonly prefix: string
  /** The hash that is stored. */
  readonly hash: string
}

/**
 * Creates a key: `sbx_`, 8 public and 32 secret random characters (190 bits), and a checksum of 6, by which secret scanners recognise a
 * key: CRC-32 of the 40 characters in base 62, as in GitHub's tokens
 * (https://github.blog/engineering/behind-githubs-new-authentication-token-formats/).
 */
export function createApiKeySecret(): ApiKeySecret {
  const body = randomText(publicLength + randomLength)
  const secret = `sbx_${body}${checksumOf(body)}`
  return { secret, prefix: secret.slice(0, 'sbx_'.length + publicLength), hash: hashApiKey(secret) }
}

function randomText(length: number): string {
  return Array.from({ length }, () => alphabet[randomInt(alphabet.length)]).join('')
}

function checksumOf(text: string): string {
  let rest = crc32(text)
  let digits = ''
  for (let i = 0; i < checksumLength; i++) {
    digits = alphabet[rest % alphabet.length]! + digits
    rest = Math.floor(rest / alphabet.length)
  }
  return digits
}
