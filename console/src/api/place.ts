/** Where this page is served; everything else is found from there, also below a proxy's prefix. */
const consoleUrl = new URL('./', document.baseURI)

export const graphqlUrl = new URL('../graphql', consoleUrl)

/** The path that the screens are below, without a slash at the end, e.g. `/console`. */
export const consolePath = consoleUrl.pathname.replace(/\/$/, '')

/** The gateway of this installation as far as the server knows: where it listens on all addresses, it is where this page came from. */
export function gatewayUrl(): string {
  const told = document.querySelector<HTMLMetaElement>('meta[name="signalbox-gateway"]')?.content
  if (!told) return 'http://127.0.0.1:8080'
  const url = new URL(told)
  if (url.hostname === '127.0.0.1') url.hostname = location.hostname
  return url.origin
}

export const tryUrl = new URL('try', consoleUrl)

export const graphiqlUrl = new URL('../', consoleUrl)

export const webSocketUrl = new URL(graphqlUrl)
webSocketUrl.protocol = graphqlUrl.protocol === 'https:' ? 'wss:' : 'ws:'
