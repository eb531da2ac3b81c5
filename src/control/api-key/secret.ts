import { randomInt } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { hashApiKey } from '../kit/actor.ts'

const alphabet = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const publicLength = 8
const randomLength = 32
const checksumLength = 6

/** Stands where other keys show their public start: by it the key of the environment is found again when it changes. */
export const environmentPrefix = 'SIGNALBOX_ADMIN_KEY'

export interface ApiKeySecret {
  /** The whole key: shown once, never kept. */
  readonly secret: string
  /** `sbx_` and the public characters: enough to find the key in a log. */
  readonly prefix: string
  /** What is kept. */
  readonly hash: string
}

/**
 * A new key: `sbx_`, 8 public and 32 random characters (190 bits), and a checksum of 6, by which secret scanners tell a key
 * from chance: CRC-32 of the 40 characters in base 62, as GitHub's tokens have it
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
