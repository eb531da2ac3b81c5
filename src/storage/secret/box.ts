import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto'

/**
 * Encrypts secrets for the database: AES-256-GCM with a data key of its own for each secret, which is wrapped by the
 * encryption key (NIST SP 800-38D; envelope encryption). The id of the row is authenticated data, so that a sealed secret
 * that is copied to another row does not open.
 */
export interface SecretBox {
  /** `context` is the id of the object that the secret belongs to. */
  seal(secret: string, context: string): Buffer
  /** Throws `SecretBoxError` if the encryption key, the context or a bit is not what it was. */
  open(sealed: Uint8Array, context: string): string
  /** The ids of its encryption keys: the configured one first, then earlier ones. They tell nothing of the keys. */
  readonly keyIds: readonly string[]
  /** The id of the current encryption key: what new secrets are wrapped with. */
  readonly sealingKeyId: string
  /** Makes another of its encryption keys the current one. False: it does not have that key. */
  sealWith(keyId: string): boolean
  /** The same secret under the current encryption key; undefined if it is already. */
  rewrap(sealed: Uint8Array, context: string): Buffer | undefined
}

/** A stored secret cannot be read. */
export class SecretBoxError extends Error {
  override name = 'SecretBoxError'
}

const format = 1
const keyIdBytes = 8
const nonceBytes = 12
const tagBytes = 16
const keyBytes = 32
const wrappedBytes = nonceBytes + keyBytes + tagBytes
const headerBytes = 1 + keyIdBytes

/** `keys` are 32 bytes each: the current encryption key, then earlier ones that secrets may still be wrapped with. */
export function createSecretBox(keys: readonly [Buffer, ...Buffer[]]): SecretBox {
  const byId = new Map(keys.map((key) => [keyId(key), key]))
  let currentId = keyId(keys[0])
  const current = () => byId.get(currentId)!

  const unwrap = (sealed: Buffer, context: string) => {
    const key = byId.get(sealed.subarray(1, headerBytes).toString('hex'))
    if (sealed[0] !== format || !key)
      throw new SecretBoxError(`The secret of ${context} was encrypted with another SIGNALBOX_ENCRYPTION_KEY.`)
    return decrypt(key, sealed.subarray(headerBytes, headerBytes + wrappedBytes), context)
  }
  const wrap = (dataKey: Buffer, context: string) =>
    Buffer.concat([Buffer.from([format]), Buffer.from(currentId, 'hex'), encrypt(current(), dataKey, context)])

  return {
    keyIds: [...byId.keys()],
    get sealingKeyId() {
      return currentId
    },
    sealWith(id) {
      if (!byId.has(id)) return false
      currentId = id
      return true
    },
    seal(secret, context) {
      const dataKey = randomBytes(keyBytes)
      return Buffer.concat([wrap(dataKey, context), encrypt(dataKey, Buffer.from(secret, 'utf8'), context)])
    },
    open(sealed, context) {
      const bytes = Buffer.from(sealed)
      return decrypt(unwrap(bytes, context), bytes.subarray(headerBytes + wrappedBytes), context).toString('utf8')
    },
    rewrap(sealed, context) {
      const bytes = Buffer.from(sealed)
      if (bytes.subarray(1, headerBytes).toString('hex') === currentId) return undefined
      return Buffer.concat([wrap(unwrap(bytes, context), context), bytes.subarray(headerBytes + wrappedBytes)])
    },
  }
}

function keyId(key: Buffer): string {
  return createHash('sha256')
    .update('signalbox encryption key id')
    .update(key)
    .digest('hex')
    .slice(0, keyIdBytes * 2)
}

function encrypt(key: Buffer, plain: Buffer, context: string): Buffer {
  const nonce = randomBytes(nonceBytes)
  const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(Buffer.from(context, 'utf8'))
  const text = Buffer.concat([cipher.update(plain), cipher.final()])
  return Buffer.concat([nonce, text, cipher.getAuthTag()])
}

function decrypt(key: Buffer, sealed: Buffer, context: string): Buffer {
  try {
    const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, nonceBytes), { authTagLength: tagBytes })
    decipher.setAAD(Buffer.from(context, 'utf8'))
    decipher.setAuthTag(sealed.subarray(sealed.length - tagBytes))
    return Buffer.concat([decipher.update(sealed.subarray(nonceBytes, sealed.length - tagBytes)), decipher.final()])
  } catch (error) {
    throw new SecretBoxError(`The secret of ${context} cannot be decrypted.`, { cause: error })
  }
}
