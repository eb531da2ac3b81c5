import { sql } from 'kysely'
import { jsonArrayFrom } from 'kysely/helpers/postgres'
import type { ProviderConfiguration } from '../../routing/config/configuration.ts'
import { pricingOf, pricingTexts } from '../backend/pricing-columns.ts'
import type { Db } from '../database/db.ts'
import type { SecretBox } from '../secret/box.ts'
import { type Ids, amongIds, type SelectedRow } from '../database/among.ts'
import { requestRulesOf } from '../backend/request-rules.ts'

/** Providers as they are configured; `ids` undefined: all. Throws `SecretBoxError`. */
export async function loadProviders(db: Db, box: SecretBox, ids?: readonly string[]): Promise<ProviderConfiguration[]> {
  return (await selectProviders(db, ids).execute()).map((row) => providerOf(row, box))
}

export function selectProviders(db: Db, ids: Ids) {
  return db
    .selectFrom('provider')
    .select(['id', 'name', 'kind', 'base_url', 'state', 'proxy_url'])
    .select(['pass_headers', 'pass_response_headers', 'add_stream_usage', 'ca_certificates'])
    .select((eb) => [
      jsonArrayFrom(
        eb
          .selectFrom('provider_credential')
          .select(['id', 'hint', sql<string>`encode(sealed_secret, 'base64')`.as('sealed')])
          .whereRef('provider_id', '=', 'provider.id')
          .orderBy('position'),
      ).as('credentials'),
      jsonArrayFrom(
        eb
          .selectFrom('provider_header')
          .select(['id', 'name', sql<string>`encode(sealed_value, 'base64')`.as('sealed')])
          .whereRef('provider_id', '=', 'provider.id')
          .orderBy('position'),
      ).as('headers'),
      jsonArrayFrom(
        eb
          .selectFrom('provider_model')
          .select(['id', 'upstream_model', 'categories', 'operations', 'context_tokens'])
          .select(pricingTexts)
          .whereRef('provider_id', '=', 'provider.id')
          .orderBy('position'),
      ).as('models'),
    ])
    .where(amongIds('provider.id', ids))
    .orderBy('id')
}

export function providerOf(row: SelectedRow<typeof selectProviders>, box: SecretBox): ProviderConfiguration {
  return {
    id: row.id,
    name: row.name,
    kind: row.kind,
    baseUrl: row.base_url,
    state: row.state,
    proxyUrl: row.proxy_url,
    requestRules: requestRulesOf(row),
    caCertificates: row.ca_certificates,
    credentials: row.credentials.map(({ id, hint, sealed }) => ({
      id,
      secret: box.open(Buffer.from(sealed, 'base64'), id),
      hint,
    })),
    headers: row.headers.map(({ id, name, sealed }) => ({ name, value: box.open(Buffer.from(sealed, 'base64'), id) })),
    models: row.models.map((model) => ({
      id: model.id,
      upstreamModel: model.upstream_model,
      categories: model.categories,
      pricing: pricingOf(model),
      operations: model.operations,
      contextTokens: model.context_tokens,
    })),
  }
}
