import type { FirstAdministrator } from '../../control/user/first-administrator.ts'

/** The message when everything runs: the addresses, and on the first start the key, which is shown only once. */
export function welcomeText(
  urls: { readonly apiUrl: string | null; readonly gatewayUrl: string | null },
  administrator: FirstAdministrator,
): string {
  const key = administrator.kind === 'made' ? administrator.secret : undefined
  const again = '  Lost it? npx node src/main.ts create-key makes another one.'
  const shownKey = key ? ["  The administrator's key, shown this once:", `    ${key}`, again, ''] : []
  return [
    'Signalbox is running.',
    '',
    ...(urls.apiUrl === null ? [] : [`  Console   ${urls.apiUrl}/console`, `  GraphiQL  ${urls.apiUrl}/`]),
    ...(urls.gatewayUrl === null ? [] : [`  Gateway   ${urls.gatewayUrl}/v1`]),
    '',
    ...shownKey,
    ...(urls.gatewayUrl === null ? [] : exampleOf(urls.gatewayUrl, key)),
  ].join('\n')
}

function exampleOf(gatewayUrl: string, key: string | undefined): string[] {
  return ['  To try:', `    curl ${gatewayUrl}/v1/models -H 'authorization: Bearer ${key ?? '…'}'`, '']
}
