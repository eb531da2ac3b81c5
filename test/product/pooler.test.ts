/** The product behind a pooler of connections, in both modes that people use. */
import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import { openTestDatabase } from '../support/database.ts'
import { hasPgBouncer, openPgBouncer } from '../support/pgbouncer.ts'
import { startProduct } from '../support/product.ts'
import { until } from '../support/until.ts'
import { openUpstream } from '../support/upstream.ts'

if (!hasPgBouncer) process.stderr.write('SKIPPED: PgBouncer is not installed (Debian: apt-get install pgbouncer)\n')

test.skipIf(!hasPgBouncer).for(['session', 'transaction'] as const)(
  'behind PgBouncer in %s mode two processes start, switch, serve and count',
  async (mode) => {
    await using database = await openTestDatabase({ migrated: false })
    await using pooler = await openPgBouncer(database.url, mode)
    await using blue = await openUpstream({ name: 'blue' })
    const env = { DATABASE_URL: pooler.url, SIGNALBOX_ENCRYPTION_KEY: randomBytes(32).toString('hex') }
    await using here = await startProduct({ env })
    await using there = await startProduct({ env })
    await here.graphql.change(
      `mutation ($input: DeploymentCreateInput!) { deploymentCreate(input: $input) { userErrors { code path message } } }`,
      { input: { name: 'blue', endpoints: [{ url: blue.baseUrl }] } },
    )
    for (let description = 0; description < 10; description++) {
      const { applied } = await here.graphql.change<{ applied: boolean }>(
        `mutation ($text: String!) { routeUpdate(input: { route: { name: "blue" }, description: $text }) { applied userErrors { code path message } } }`,
        { text: String(description) },
      )
      expect(applied).toBe(true)
    }
    for (const { gatewayUrl, adminKey } of [here, there]) {
      const response = await fetch(`${gatewayUrl}/v1/chat/completions`, {
        method: 'POST',
        headers: { authorization: `Bearer ${adminKey}`, 'content-type': 'application/json' },
        body: JSON.stringify({ model: 'blue', messages: [] }),
      })
      expect(response.status).toBe(200)
      await response.arrayBuffer()
    }
    await until(async () => {
      const { usage } = await there.graphql.request<{ usage: { totals: { requests: number } } }>(
        `{ usage(range: { from: "2020-01-01T00:00:00.000Z" }) { totals { requests } } }`,
      )
      return usage.totals.requests === 2
    })
    const faults = [...here.logs(), ...there.logs()].filter(({ level }) => (level ?? 0) >= 40)
    expect(faults.map(({ msg }) => msg)).toEqual([])
  },
)
