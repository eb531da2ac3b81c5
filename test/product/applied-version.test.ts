import { expect, test } from 'vitest'
import { startProduct } from '../support/product.ts'

test('a change that is answered as applied is the applied version of the status at once, also at a process without peers', async () => {
  await using product = await startProduct()
  for (const name of ['one', 'two', 'three']) {
    const made = await product.graphql.change<{ applied: boolean; configVersion: number }>(
      `mutation { userCreate(input: { name: "${name}", role: MEMBER }) { applied configVersion userErrors { code } } }`,
    )
    expect(made.applied).toBe(true)
    const { configStatus } = await product.graphql.request<{
      configStatus: { version: number; appliedVersion: number; gateways: { appliedVersion: number }[] }
    }>('{ configStatus { version appliedVersion gateways { appliedVersion } } }')
    const version = made.configVersion
    expect(configStatus).toEqual({ version, appliedVersion: version, gateways: [{ appliedVersion: version }] })
  }
}, 120_000)
