/** Ids contain their type and time of creation: a prefix, `_`, and a ULID in lower case (https://github.com/ulid/spec). */

export const idPrefixes = {
  User: 'usr',
  ApiKey: 'key',
  Provider: 'prv',
  ProviderCredential: 'crd',
  ProviderHeader: 'hdr',
  ProviderModel: 'pmd',
  Deployment: 'dep',
  DeploymentEndpoint: 'end',
  Route: 'rte',
  RouteTarget: 'tgt',
  RouteRevision: 'rev',
  AuditEntry: 'aud',
  RequestLog: 'req',
  RateLimit: 'lim',
  Budget: 'bud',
  Installation: 'ins',
} as const
export type ObjectType = keyof typeof idPrefixes

/** There is one installation, and so one id. */
export const installationId = `ins_${'0'.repeat(26)}`

const typesByPrefix = new Map<string, ObjectType>(
  Object.entries(idPrefixes).map(([type, prefix]) => [prefix, type as ObjectType]),
)

const alphabet = '0123456789abcdefghjkmnpqrstvwxyz'
const idPattern = /^([a-z]{3})_[0-7][0-9a-hjkmnp-tv-z]{25}$/

/** The type in the prefix of an id; undefined if the text is not an id of this platform. */
export function typeOfId(id: string): ObjectType | undefined {
  const prefix = idPattern.exec(id)?.[1]
  return prefix === undefined ? undefined : typesByPrefix.get(prefix)
}

/** The id made of an instant (milliseconds since the epoch, 48 bits) and 10 random bytes. */
export function formatId(type: ObjectType, timeMs: number, random: Uint8Array): string {
  let time = ''
  for (let rest = timeMs, i = 0; i < 10; i++) {
    time = alphabet[rest % 32]! + time
    rest = Math.floor(rest / 32)
  }
  return `${idPrefixes[type]}_${time}${base32(random)}`
}

/** When an id was created, in milliseconds since the epoch; 0 if the text is not an id. */
export function createdAtMsOf(id: string): number {
  if (typeOfId(id) === undefined) return 0
  let ms = 0
  for (const digit of id.slice(4, 14)) ms = ms * 32 + alphabet.indexOf(digit)
  return ms
}

/** 10 bytes as 16 characters: each 5 bytes are 8 characters. */
function base32(bytes: Uint8Array): string {
  let text = ''
  let buffer = 0
  let bits = 0
  for (const byte of bytes) {
    buffer = (buffer << 8) | byte
    bits += 8
    while (bits >= 5) {
      bits -= 5
      text += alphabet[(buffer >>> bits) & 31]!
    }
    buffer &= (1 << bits) - 1
  }
  return text
}
