import type { FirstAdministrator } from '../../control/user/first-administrator.ts'

/** What the operator is told when everything runs: the addresses, and on the first start the key, which is shown this once. */
export function welcomeText(urls: { apiUrl: string; gatewayUrl: string }, administrator: FirstAdministrator): string {
  const key = administrator.kind === 'made' ? administrator.secret : undefined
  const shownKey = key ? ["  The administrator's key, shown this once:", `    ${key}`, '  Lost it? npx node src/main.ts create-key makes another one.', ''] : []
  return [
    'Signalbox is running.',
    '',
    `  Console   ${urls.apiUrl}/console`,
    `  GraphiQL  ${urls.apiUrl}/`,
    `  Gateway   ${urls.gatewayUrl}/v1`,
    '',
    ...shownKey,
    '  To try:',
    `    curl ${urls.gatewayUrl}/v1/models -H 'authorization: Bearer ${key ?? '…'}'`,
    '',
  ].join('\n')
}
