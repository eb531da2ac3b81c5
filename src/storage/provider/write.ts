import { isDeepStrictEqual } from 'node:util'
import type { ProviderConfiguration } from '../../routing/config/configuration.ts'
import { loadProviders } from './load.ts'
import { createId } from '../database/create-id.ts'
import type { Db, Tx } from '../database/db.ts'
import { pricingColumns } from '../backend/pricing-columns.ts'
import { requestRulesColumns } from '../deployment/write.ts'
import { isRef, type Ref } from '../database/ref.ts'
import type { SecretBox } from '../secret/box.ts'

/** What an operator can change of a provider. */
export interface ProviderDraft extends ProviderConfiguration {
  readonly revision: number
  readonly description: string
}

/** The provider, locked until the end of the transaction. */
export async function findProviderForUpdate(tx: Tx, box: SecretBox, ref: Ref): Promise<ProviderDraft | undefined> {
  const row = await tx
    .selectFrom('provider')
    .select(['id', 'revision', 'description'])
    .where(isRef(ref))
    .forUpdate()
    .executeTakeFirst()
  if (!row) return undefined
  const [configuration] = await loadProviders(tx, box, [row.id])
  return configuration && { ...configuration, revision: row.revision, description: row.description }
}

/** The id of the provider that has this credential. */
export async function findProviderIdOfCredential(tx: Tx, id: string): Promise<string | undefined> {
  const query = tx.selectFrom('provider_credential').select('provider_id').where('id', '=', id)
  return (await query.executeTakeFirst())?.provider_id
}

/** The provider with its secrets, as it is now. Throws `SecretBoxError` if one of them cannot be opened. */
export async function findProviderConfiguration(
  db: Db,
  box: SecretBox,
  ref: Ref,
): Promise<ProviderConfiguration | undefined> {
  const row = await db.selectFrom('provider').select('id').where(isRef(ref)).executeTakeFirst()
  if (!row) return undefined
  const [configuration] = await loadProviders(db, box, [row.id])
  return configuration
}

/** Writes a new provider. */
export async function insertProvider(tx: Tx, box: SecretBox, draft: ProviderDraft): Promise<void> {
  await tx
    .insertInto('provider')
    .values({ id: draft.id, ...columnsOf(draft) })
    .execute()
  await insertCredentials(tx, box, draft, new Map())
  await insertHeaders(tx, box, draft)
  await writeModels(tx, draft.id, draft.models, [])
}

/** Writes the provider as `after` says, as its next revision. Fails if a model that a route uses is left out. */
export async function updateProvider(
  tx: Tx,
  box: SecretBox,
  before: ProviderDraft,
  after: ProviderDraft,
): Promise<void> {
  await tx
    .updateTable('provider')
    .set((eb) => ({ ...columnsOf(after), revision: eb('revision', '+', 1), updated_at: eb.fn('clock_timestamp') }))
    .where('id', '=', before.id)
    .execute()
  if (!isDeepStrictEqual(before.credentials, after.credentials)) await replaceCredentials(tx, box, after)
  if (!isDeepStrictEqual(before.headers, after.headers)) await replaceHeaders(tx, box, after)
  await writeModels(tx, after.id, after.models, before.models)
}

/** Deletes a provider with its credentials, headers and models. Fails while a route uses one of the models. */
export async function deleteProvider(tx: Tx, id: string): Promise<void> {
  await tx.deleteFrom('provider').where('id', '=', id).execute()
}

function columnsOf(draft: ProviderDraft) {
  return {
    name: draft.name,
    description: draft.description,
    kind: draft.kind,
    base_url: draft.baseUrl,
    state: draft.state,
    proxy_url: draft.proxyUrl,
    ...requestRulesColumns(draft),
  }
}

/** Positions are unique, so the list is taken out and put in again; what stays keeps its id and the time it was made. */
async function replaceCredentials(tx: Tx, box: SecretBox, draft: ProviderDraft): Promise<void> {
  const old = await tx
    .deleteFrom('provider_credential')
    .where('provider_id', '=', draft.id)
    .returning(['id', 'created_at'])
    .execute()
  await insertCredentials(tx, box, draft, new Map(old.map((row) => [row.id, row.created_at])))
}

async function insertCredentials(
  tx: Tx,
  box: SecretBox,
  { id: providerId, credentials }: ProviderDraft,
  createdAtById: ReadonlyMap<string, Date>,
): Promise<void> {
  if (credentials.length === 0) return
  const now = new Date()
  await tx
    .insertInto('provider_credential')
    .values(
      credentials.map(({ id, secret, hint }, position) => ({
        id,
        provider_id: providerId,
        position,
        hint,
        sealed_secret: box.seal(secret, id),
        created_at: createdAtById.get(id) ?? now,
      })),
    )
    .execute()
}

async function replaceHeaders(tx: Tx, box: SecretBox, draft: ProviderDraft): Promise<void> {
  await tx.deleteFrom('provider_header').where('provider_id', '=', draft.id).execute()
  await insertHeaders(tx, box, draft)
}

async function insertHeaders(tx: Tx, box: SecretBox, { id: providerId, headers }: ProviderDraft): Promise<void> {
  if (headers.length === 0) return
  const rows = headers.map(({ name, value }, position) => {
    const id = createId('ProviderHeader')
    return { id, provider_id: providerId, position, name, sealed_value: box.seal(value, id) }
  })
  await tx.insertInto('provider_header').values(rows).execute()
}

type Models = ProviderConfiguration['models']

async function writeModels(tx: Tx, providerId: string, after: Models, before: Models): Promise<void> {
  const idsAfter = new Set(after.map((model) => model.id))
  const gone = before.filter((model) => !idsAfter.has(model.id)).map((model) => model.id)
  if (gone.length > 0) await tx.deleteFrom('provider_model').where('id', 'in', gone).execute()
  const rows = after.flatMap((model, position) =>
    isDeepStrictEqual(model, before[position]) ? [] : [modelRow(providerId, model, position)],
  )
  if (rows.length === 0) return
  await tx
    .insertInto('provider_model')
    .values(rows)
    .onConflict((conflict) =>
      conflict.column('id').doUpdateSet((eb) => ({
        position: eb.ref('excluded.position'),
        categories: eb.ref('excluded.categories'),
        input_per_million: eb.ref('excluded.input_per_million'),
        output_per_million: eb.ref('excluded.output_per_million'),
        cached_input_per_million: eb.ref('excluded.cached_input_per_million'),
        price_details: eb.ref('excluded.price_details'),
        operations: eb.ref('excluded.operations'),
        context_tokens: eb.ref('excluded.context_tokens'),
      })),
    )
    .execute()
}

function modelRow(providerId: string, model: Models[number], position: number) {
  return {
    id: model.id,
    provider_id: providerId,
    position,
    upstream_model: model.upstreamModel,
    categories: [...model.categories],
    ...pricingColumns(model.pricing),
    operations: model.operations && [...model.operations],
    context_tokens: model.contextTokens,
  }
}
