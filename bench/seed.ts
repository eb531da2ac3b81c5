/** A large configuration, written to the tables directly: by the API it would take minutes. */
import { createHash, randomBytes } from 'node:crypto'
import { Client } from 'pg'
import { clientConfig } from '../src/storage/database/database.ts'
import { createId } from '../src/storage/database/create-id.ts'
import { migrate } from '../src/storage/database/migrate.ts'

export interface SeedOptions {
  readonly routes: number
  readonly deployments: number
  readonly apiKeys: number
  /** Where all deployments send requests to. */
  readonly upstreamPort: number
}

/** The name of a seeded route, from 0. */
export function routeName(index: number): string {
  return `route-${String(index).padStart(5, '0')}`
}

/** The name of a seeded deployment, from 0. Route `i` has deployments `i` and `i + 1` as targets, 100:200, and `i + 2` as fallback. */
function deploymentName(index: number): string {
  return `deployment-${String(index).padStart(5, '0')}`
}

/** Migrates the database and fills it; nobody may be using it. Returns the keys, usable for inference. */
export async function seedConfiguration(url: string, options: SeedOptions): Promise<string[]> {
  await migrate({ url })
  const client = new Client(clientConfig(url))
  await client.connect()
  try {
    await client.query('begin')
    const owner = createId('User')
    await client.query(`insert into app_user (id, name, role) values ($1, 'bench owner', 'OPERATOR')`, [owner])
    const deployments = await insertDeployments(client, options)
    await insertRoutes(client, options, deployments)
    const keys = await insertKeys(client, options, owner)
    await client.query(`update config_version set version = version + 1, committed_at = now()`)
    await client.query(
      `insert into config_change (version, committed_at, actor_id, subject_ids)
       select version, committed_at, $1, '{}' from config_version`,
      [owner],
    )
    await client.query('commit')
    await client.query('analyze')
    return keys
  } finally {
    await client.end()
  }
}

async function insertDeployments(client: Client, options: SeedOptions): Promise<string[]> {
  const ids = times(options.deployments, () => createId('Deployment'))
  await client.query(
    `insert into deployment (id, name, description, engine, upstream_model, categories, load_balancing,
       queue_max_waiting, queue_max_wait_ms)
     select id, name, '', 'OTHER', 'bench', '{LLM}', 'LEAST_IN_FLIGHT', 100, 5000 from unnest($1::text[], $2::text[]) as t (id, name)`,
    [ids, ids.map((_, i) => deploymentName(i))],
  )
  await client.query(
    `insert into deployment_endpoint (id, deployment_id, url, weight)
     select id, deployment_id, $3, 1 from unnest($1::text[], $2::text[]) as t (id, deployment_id)`,
    [ids.map(() => createId('DeploymentEndpoint')), ids, `http://127.0.0.1:${options.upstreamPort}/v1`],
  )
  return ids
}

async function insertRoutes(client: Client, options: SeedOptions, deployments: readonly string[]): Promise<void> {
  const routes = times(options.routes, () => createId('Route'))
  const deploymentOf = (index: number) => deployments[index % deployments.length]!
  await client.query(
    `insert into route (id, name, description, categories, connect_ms, first_byte_ms, idle_ms, total_ms, access_policy,
       fallback_triggers, fallback_max_attempts)
     select id, name, '', '{LLM}', 5000, 60000, 60000, 600000, 'AUTHENTICATED', '{CONNECT_ERROR,TIMEOUT,SERVER_ERROR}', 3
     from unnest($1::text[], $2::text[]) as t (id, name)`,
    [routes, routes.map((_, i) => routeName(i))],
  )
  for (const [offset, weight] of [
    [0, 100],
    [1, 200],
  ] as const)
    await client.query(
      `insert into route_target (id, route_id, deployment_id, weight)
       select id, route_id, deployment_id, $4 from unnest($1::text[], $2::text[], $3::text[]) as t (id, route_id, deployment_id)`,
      [routes.map(() => createId('RouteTarget')), routes, routes.map((_, i) => deploymentOf(i + offset)), weight],
    )
  await client.query(
    `insert into route_fallback_backend (route_id, position, deployment_id)
     select route_id, 0, deployment_id from unnest($1::text[], $2::text[]) as t (route_id, deployment_id)`,
    [routes, routes.map((_, i) => deploymentOf(i + 2))],
  )
}

async function insertKeys(client: Client, options: SeedOptions, owner: string): Promise<string[]> {
  const keys = times(options.apiKeys, createKey)
  await client.query(
    `insert into api_key (id, name, owner_id, prefix, hash, scopes)
     select id, 'bench', $4, prefix, hash, '{INFERENCE}' from unnest($1::text[], $2::text[], $3::text[]) as t (id, prefix, hash)`,
    [keys.map(() => createId('ApiKey')), keys.map((key) => key.slice(0, 12)), keys.map(hashOf), owner],
  )
  return keys
}

function createKey(): string {
  return `sbx_${randomBytes(23).toString('hex')}`
}

function hashOf(key: string): string {
  return createHash('sha256').update(key).digest('hex')
}

function times<T>(count: number, make: () => T): T[] {
  return Array.from({ length: count }, make)
}
