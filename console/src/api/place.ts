/** Where this page is served; everything else is found from there, also below a proxy's prefix. */
const consoleUrl = new URL('./', document.baseURI)

export const graphqlUrl = new URL('../graphql', consoleUrl)

/** The path that the screens are below, without a slash at the end, e.g. `/console`. */
export const consolePath = consoleUrl.pathname.replace(/\/$/, '')

export const graphiqlUrl = new URL('../', consoleUrl)

export const webSocketUrl = new URL(graphqlUrl)
webSocketUrl.protocol = graphqlUrl.protocol === 'https:' ? 'wss:' : 'ws:'
