import { randomFillSync } from 'node:crypto'

const alphabet = '0123456789abcdefghjkmnpqrstvwxyz'

/** Two characters for each 10 bits. */
const pairs = Array.from({ length: 1024 }, (_, i) => alphabet[i >> 5]! + alphabet[i & 31]!)

/** Random 16-bit numbers, drawn in advance: asking the system for 10 bytes costs more than the rest of an id. */
const pool = new Uint16Array(4096)
let poolAt = pool.length

let prefixTimeMs = -1
let prefix = ''

/**
 * The id of a request that begins at this instant (milliseconds since the epoch): `req_` and a UUIDv7 (RFC 9562 § 5.7) as 26
 * characters of lower-case Crockford base32, so that ids sort by time.
 */
export function createRequestId(timeMs: number): string {
  if (timeMs !== prefixTimeMs) {
    prefixTimeMs = timeMs
    prefix = `req_${timeDigits(timeMs)}`
  }
  if (poolAt + 9 > pool.length) {
    randomFillSync(pool)
    poolAt = 0
  }
  // Version 7 takes the first 4 of 80 bits, the variant 2 bits behind the next 12.
  const versionAndRandom = pairs[0b01110_00000 | (pool[poolAt++]! & 0b1_11111)]!
  const random = pool[poolAt++]!
  const randomAndVariant = pairs[(random & 0b11111_00000) | 0b01000 | (random & 0b10011)]!
  return prefix + versionAndRandom + randomAndVariant + draw() + draw() + draw() + draw() + draw() + draw()
}

function draw(): string {
  return pairs[pool[poolAt++]! & 1023]!
}

function timeDigits(timeMs: number): string {
  let digits = ''
  for (let rest = timeMs, i = 0; i < 10; i++) {
    digits = alphabet[rest % 32]! + digits
    rest = Math.floor(rest / 32)
  }
  return digits
}
