/** A year of roll-ups, written to the tables directly: the sums of as many requests as wanted, without the requests. */
import { Client } from 'pg'
import { clientConfig } from '../src/storage/database/database.ts'
import { usageLayers } from '../src/storage/usage/report/layers.ts'

export interface UsageSeed {
  /** The first day, inclusive, and the last, exclusive: 365 days. */
  readonly from: Date
  readonly to: Date
  readonly requests: number
  /** Ids of the API keys. */
  readonly keyIds: readonly string[]
}

const routes = 25
const targetsPerRoute = 2
const keys = 8
const days = 365
const dayMs = 86_400_000

/** Fills the layers of whole days and months. `to` is the start of the current UTC day. */
export async function seedUsage(url: string, requests: number): Promise<UsageSeed> {
  const to = new Date(Math.floor(Date.now() / dayMs) * dayMs)
  const from = new Date(to.getTime() - days * dayMs)
  const keyIds = Array.from({ length: keys }, (_, i) => `key_${String(i).padStart(26, '0')}`)
  const client = new Client(clientConfig(url))
  await client.connect()
  try {
    await client.query('begin')
    await insertDimensions(client, keyIds)
    for (const layer of usageLayers)
      if (layer.grain === 'DAY' || layer.grain === 'MONTH') await insertLayer(client, layer, from, requests)
    await client.query('commit')
    await client.query('analyze usage_rollup, usage_dimension')
  } finally {
    await client.end()
  }
  return { from, to, requests, keyIds }
}

async function insertDimensions(client: Client, keyIds: readonly string[]): Promise<void> {
  const service = `'rte_' || lpad(r::text, 26, '0'), 'route ' || r, 1, 'tgt_' || lpad((r * 10 + t)::text, 26, '0'),
    'dep_' || lpad(t::text, 26, '0'), 'deployment ' || t, 'dep_' || lpad(t::text, 26, '0'), 'deployment ' || t,
    '/v1/chat/completions', 'OK', false`
  const columns = `route_id, route_name, route_revision, target_id, backend_id, backend_label, deployment_id, deployment_name,
    operation, outcome, stream`
  const all = `generate_series(1, ${routes}) r, generate_series(1, ${targetsPerRoute}) t`
  await client.query(
    `insert into usage_dimension (key, level, ${columns}, api_key_id, api_key_name)
     select md5('FULL' || r || '/' || t || '/' || k)::uuid, 'FULL', ${service}, id, 'key ' || k
     from ${all}, unnest($1::text[]) with ordinality as key (id, k)`,
    [keyIds],
  )
  await client.query(
    `insert into usage_dimension (key, level, ${columns})
     select md5('SERVICE' || r || '/' || t)::uuid, 'SERVICE', ${service} from ${all}`,
  )
  await client.query(
    `insert into usage_dimension (key, level, api_key_id, api_key_name)
     select md5('CALLER' || k)::uuid, 'CALLER', id, 'key ' || k from unnest($1::text[]) with ordinality as key (id, k)`,
    [keyIds],
  )
  await client.query(
    `insert into usage_dimension (key, level, route_id, route_name)
     select md5('ROUTE' || r)::uuid, 'ROUTE', 'rte_' || lpad(r::text, 26, '0'), 'route ' || r from generate_series(1, ${routes}) r`,
  )
  await client.query(`insert into usage_dimension (key, level) values (md5('ALL')::uuid, 'ALL')`)
}

// Every dimension of a level has the same share, in every bucket: what is measured does not depend on it.
async function insertLayer(
  client: Client,
  layer: (typeof usageLayers)[number],
  from: Date,
  requests: number,
): Promise<void> {
  const unit = layer.grain === 'DAY' ? 'day' : 'month'
  await client.query(
    `insert into usage_rollup
     select $1, bucket, key, n, n, n / 100, n / 50, n * 200, n * 20, n * 100, 0, 0, n * 0.00125,
       sketch, sketch
     from (select key, count(*) over () as width from usage_dimension where level = $2) as dimension,
       generate_series(date_trunc('${unit}', $3::timestamptz, 'UTC'), $3::timestamptz + interval '${days - 1} days', interval '1 ${unit}') as bucket,
       lateral (select greatest(1, ($4::bigint / width / ${layer.grain === 'DAY' ? days : 12}))::bigint as n) as count,
       lateral (select sum((n / 20 + 1) * ('1e' || 12 * bin)::numeric) as sketch from generate_series(100, 119) as bin) as bins`,
    [layer.number, layer.level, from.toISOString(), requests],
  )
}
