const MAX_TEXT_LENGTH = 2_000
const MAX_STACK_LENGTH = 4_000
const MAX_ITEMS = 50
const MAX_DEPTH = 5

const REDACTED = '[redacted]'
const SECRET_NAMES = new Set([
  'authorization',
  'proxyauthorization',
  'cookie',
  'setcookie',
  'apikey',
  'xapikey',
  'adminkey',
  'encryptionkey',
  'encryptionkeys',
  'databaseurl',
  'password',
  'secret',
  'secrets',
  'token',
])

type Fields = Record<string, unknown>

/** The fields as they may be written: cut to a bounded size, without what is named like a secret. */
export function boundFields(fields: object): Fields {
  return boundObject(fields as Fields, 1)
}

/** The text as it may be written: bounded, without our own keys and without passwords in URLs. */
export function boundText(text: string, most = MAX_TEXT_LENGTH): string {
  const cut = text.length > most ? `${text.slice(0, most)}… (${text.length} characters)` : text
  return cut
    .replaceAll(/sbx_([A-Za-z0-9]{1,8})[A-Za-z0-9]*/g, 'sbx_$1…')
    .replaceAll(/\b([a-z][a-z0-9+.-]{0,30}:\/\/)[^\s/@]{1,500}@/gi, `$1${REDACTED}@`)
    .replaceAll(/\b(Bearer|Basic) +[\w.~+/=-]{8,}/gi, `$1 ${REDACTED}`)
}

function boundObject(fields: Fields, depth: number): Fields {
  const bounded: Fields = {}
  let count = 0
  for (const [name, value] of Object.entries(fields)) {
    if (count++ === MAX_ITEMS) return { ...bounded, more: '…' }
    bounded[boundText(name, 100)] = isSecretName(name) ? REDACTED : boundValue(value, depth)
  }
  return bounded
}

function boundValue(value: unknown, depth: number): unknown {
  if (typeof value === 'string') return boundText(value)
  if (typeof value === 'bigint' || typeof value === 'symbol') return String(value)
  if (typeof value !== 'object' || value === null) return value
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? null : value.toISOString()
  if (depth >= MAX_DEPTH) return '…'
  if (value instanceof Error) return boundError(value, depth + 1)
  if (ArrayBuffer.isView(value)) return `(${value.byteLength} bytes)`
  if (Array.isArray(value)) return value.slice(0, MAX_ITEMS).map((item) => boundValue(item, depth + 1))
  return boundObject(value as Fields, depth + 1)
}

/** An error's own further fields are left out: libraries put requests, with their headers, there. */
function boundError(error: Error & { code?: unknown }, depth: number): Fields {
  const bounded: Fields = { name: error.name, message: boundText(error.message) }
  if (typeof error.code === 'string' || typeof error.code === 'number') bounded['code'] = error.code
  if (error.stack) bounded['stack'] = boundText(error.stack, MAX_STACK_LENGTH)
  if (error.cause !== undefined) bounded['cause'] = boundValue(error.cause, depth)
  return bounded
}

function isSecretName(name: string): boolean {
  return SECRET_NAMES.has(name.toLowerCase().replaceAll(/[-_]/g, ''))
}
