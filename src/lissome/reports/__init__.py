"""Results as one HTML page that needs no network.

`report.report` writes it. A result becomes an article of sections (`comparison_article`, `outcome_article`,
`profile_article`), made of the few kinds of content in `elements`; `page.html` turns those into HTML.
"""
