import { randomBytes } from 'node:crypto'
import { chmod, mkdir, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { openEncryptionKeys } from '../../../src/server/configuration/encryption-keys.ts'

describe('openEncryptionKeys', () => {
  let folder: string
  let dataDir: string

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'signalbox-key-'))
    dataDir = join(folder, 'data')
  })

  afterEach(() => rm(folder, { recursive: true }))

  const modeOf = async (name: string) => (await stat(join(dataDir, name))).mode & 0o777

  test('makes a key on the first start, readable for its owner only, and keeps it', async () => {
    const [key] = await openEncryptionKeys(dataDir)
    expect(key).toHaveLength(32)
    expect(await modeOf('encryption-key')).toBe(0o600)
    expect(await openEncryptionKeys(dataDir)).toEqual([key])
    expect(await readdir(dataDir)).toEqual(['encryption-key'])
  })

  test('of many first starts at once all get the same key', async () => {
    const keys = await Promise.all(Array.from({ length: 10 }, () => openEncryptionKeys(dataDir)))
    expect(new Set(keys.map(([key]) => key.toString('hex'))).size).toBe(1)
    expect(await readdir(dataDir)).toEqual(['encryption-key'])
  })

  test('a key that everybody may read is closed', async () => {
    await openEncryptionKeys(dataDir)
    await chmod(join(dataDir, 'encryption-key'), 0o644)
    await openEncryptionKeys(dataDir)
    expect(await modeOf('encryption-key')).toBe(0o600)
  })

  test('the configured key comes first, and the kept one still opens what it has wrapped', async () => {
    const [kept] = await openEncryptionKeys(dataDir)
    const configured = randomBytes(32)
    expect(await openEncryptionKeys(dataDir, [configured])).toEqual([configured, kept])
  })

  test('with a configured key none is made', async () => {
    const configured = randomBytes(32)
    expect(await openEncryptionKeys(dataDir, [configured])).toEqual([configured])
    await expect(readdir(dataDir)).rejects.toThrow(/ENOENT/)
  })

  test('no new key is made beside a database whose key is missing', async () => {
    await mkdir(join(dataDir, 'postgres'), { recursive: true })
    await expect(openEncryptionKeys(dataDir)).rejects.toThrow(/encryption-key is missing/)
  })

  test('a damaged key is refused without its text', async () => {
    await mkdir(dataDir)
    await writeFile(join(dataDir, 'encryption-key'), 'half-a-key\n')
    const error = await openEncryptionKeys(dataDir).catch((thrown: unknown) => thrown as Error)
    expect(error).toMatchObject({ message: expect.stringMatching(/encryption-key is damaged/) })
    expect(String(error)).not.toContain('half-a-key')
  })
})
