import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import { createDeployment } from '../../../src/control/deployment/create.ts'
import { createProvider } from '../../../src/control/provider/create.ts'
import { updateProvider } from '../../../src/control/provider/update.ts'
import { createSnapshotStore } from '../../../src/server/following/snapshot-store.ts'
import { loadConfiguration } from '../../../src/storage/config/load.ts'
import { rewrapSecrets } from '../../../src/storage/secret/rewrap.ts'
import { createSecretBox, SecretBoxError } from '../../../src/storage/secret/box.ts'
import { administrator, openTestControl, type TestControl, valueOf } from '../../support/control.ts'

const [oldKey, newKey] = [randomBytes(32), randomBytes(32)]
const baseUrl = 'http://10.0.0.1/v1'

async function fill(control: TestControl, providers: number): Promise<void> {
  for (let i = 0; i < providers; i++) {
    const secrets = Array.from({ length: 16 }, (_, n) => `sk-${i}-${n}`)
    const headers = [{ name: 'x', value: `value-${i}` }]
    valueOf(await createProvider(control, administrator, { name: `p${i}`, baseUrl, secrets, headers }))
  }
  valueOf(await createDeployment(control, administrator, { name: 'with', endpoints: [{ url: baseUrl }], secret: 'sk' }))
  valueOf(await createDeployment(control, administrator, { name: 'without', endpoints: [{ url: baseUrl }] }))
}

test('after the rotation everything opens with the new encryption key alone, and says what it said', async () => {
  await using opened = await openTestControl()
  const control = { ...opened, box: createSecretBox([oldKey]) }
  await fill(control, 14)
  const before = await loadConfiguration(control.db, control.box)
  const both = createSecretBox([newKey, oldKey])
  const counts = await Promise.all([rewrapSecrets(control.db, both), rewrapSecrets(control.db, both)])
  expect(counts[0] + counts[1]).toBe(14 * 17 + 1)
  expect(await rewrapSecrets(control.db, both)).toBe(0)
  expect(await loadConfiguration(control.db, createSecretBox([newKey]))).toEqual(before)
  await expect(loadConfiguration(control.db, createSecretBox([oldKey]))).rejects.toThrow(SecretBoxError)
})

test('a secret that is given during the rotation is not lost', async () => {
  await using opened = await openTestControl()
  await fill({ ...opened, box: createSecretBox([oldKey]) }, 3)
  const box = createSecretBox([newKey, oldKey])
  const control = { ...opened, box, snapshots: createSnapshotStore() }
  const [, ...answers] = await Promise.all([
    rewrapSecrets(control.db, box),
    ...[0, 1, 2].map((i) =>
      updateProvider(control, administrator, { provider: { name: `p${i}` }, secrets: [`new-${i}`] }),
    ),
  ])
  for (const answer of answers) valueOf(answer)
  await rewrapSecrets(control.db, box)
  const { providers } = await loadConfiguration(control.db, createSecretBox([newKey]))
  expect(providers.map((provider) => provider.credentials.map(({ secret }) => secret))).toEqual([
    ['new-0'],
    ['new-1'],
    ['new-2'],
  ])
})

test('a secret under a key that is gone stops it, and nothing is broken by that', async () => {
  await using opened = await openTestControl()
  const control = { ...opened, box: createSecretBox([oldKey]) }
  await fill(control, 1)
  await expect(rewrapSecrets(control.db, createSecretBox([newKey]))).rejects.toThrow(SecretBoxError)
  expect((await loadConfiguration(control.db, control.box)).providers).toHaveLength(1)
})
