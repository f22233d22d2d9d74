//! Routes of logging in, the caller's own account, logins and API tokens.

use std::sync::Arc;

use berth_store as store;
use berth_types::{
    UserSessionId,
    identity::{
        ApiTokenCreate, ApiTokenCreated, LoginRequest, LoginResponse, PasswordChange, Profile, ProfileUpdate,
        RefreshRequest, User, UserSession,
    },
    page::Page,
};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    PageQuery,
    call::{ACCESS_COOKIE, Begun, CSRF_COOKIE, Call, REFRESH_COOKIE, Visitor, begin, ok, ok_tagged},
    extract::{Body, Path, Query},
    frame::Reply,
};
use crate::app::{
    self, App, AppError,
    identity::{LoggedIn, Tokens},
};

pub fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(auth_login))
        .routes(routes!(auth_refresh))
        .routes(routes!(auth_logout))
        .routes(routes!(profile_get, profile_update))
        .routes(routes!(password_change))
        .routes(routes!(login_list))
        .routes(routes!(login_revoke))
        .routes(routes!(api_token_create))
}

/// The refresh token goes to the login routes only.
const REFRESH_PATH: &str = "/api/v1/auth";

fn cookie(name: &str, value: &str, path: &str, seconds: i64, readable: bool, secure: bool) -> Option<HeaderValue> {
    let hidden = if readable { "" } else { "; HttpOnly" };
    let secure = if secure { "; Secure" } else { "" };
    HeaderValue::from_str(&format!("{name}={value}; Path={path}; Max-Age={seconds}; SameSite=Strict{hidden}{secure}"))
        .ok()
}

fn set_cookies(headers: &mut HeaderMap, tokens: &Tokens, now: berth_types::Timestamp, secure: bool) {
    let access = (tokens.access_expires_at - now).num_seconds();
    let refresh = (tokens.refresh_expires_at - now).num_seconds();
    let cookies = [
        cookie(ACCESS_COOKIE, &tokens.access, "/", access, false, secure),
        cookie(REFRESH_COOKIE, &tokens.refresh, REFRESH_PATH, refresh, false, secure),
        cookie(CSRF_COOKIE, &tokens.csrf, "/", refresh, true, secure),
    ];
    for cookie in cookies.into_iter().flatten() {
        headers.append(header::SET_COOKIE, cookie);
    }
}

fn clear_cookies(headers: &mut HeaderMap, secure: bool) {
    let cookies = [
        cookie(ACCESS_COOKIE, "", "/", 0, false, secure),
        cookie(REFRESH_COOKIE, "", REFRESH_PATH, 0, false, secure),
        cookie(CSRF_COOKIE, "", "/", 0, true, secure),
    ];
    for cookie in cookies.into_iter().flatten() {
        headers.append(header::SET_COOKIE, cookie);
    }
}

fn welcome(visitor: &Visitor, login: &LoggedIn) -> Reply {
    let mut response = ok(&login.response)?;
    if let Some(tokens) = &login.cookies {
        set_cookies(response.headers_mut(), tokens, visitor.now, visitor.app.config.secure_cookies);
    }
    Ok(response)
}

/// Logs in. For `kind` browser the tokens come as cookies, else in the body.
#[utoipa::path(post, path = "/auth/login", operation_id = "auth_login", tag = "auth", request_body = LoginRequest,
    responses((status = 200, body = LoginResponse)))]
async fn auth_login(visitor: Visitor, Body(request): Body<LoginRequest>) -> Reply {
    let login = app::identity::login(&visitor, request).await?;
    welcome(&visitor, &login)
}

/// Exchanges a refresh token for new tokens. Each works once; a second use ends the login.
#[utoipa::path(post, path = "/auth/refresh", operation_id = "auth_refresh", tag = "auth", request_body = RefreshRequest,
    responses((status = 200, body = LoginResponse)))]
async fn auth_refresh(visitor: Visitor, Body(request): Body<RefreshRequest>) -> Reply {
    let login = app::identity::refresh(&visitor, request.refresh_token).await?;
    welcome(&visitor, &login)
}

/// Ends the login that the request comes by.
#[utoipa::path(post, path = "/auth/logout", operation_id = "auth_logout", tag = "auth", responses((status = 204)))]
async fn auth_logout(call: Call) -> Reply {
    let mut write = call.begin_unrepeatable().await?;
    app::identity::logout(&mut write).await?;
    let mut response = write.answer_empty().await?;
    clear_cookies(response.headers_mut(), call.app.config.secure_cookies);
    Ok(response)
}

/// The caller: who, what they may do, what is left of their quota.
#[utoipa::path(get, path = "/profile", operation_id = "profile_get", tag = "auth", responses((status = 200, body = Profile)))]
async fn profile_get(call: Call) -> Reply {
    let profile = app::identity::profile(&call).await?;
    ok_tagged(profile.user.generation, &profile)
}

/// Changes what users change about themselves.
#[utoipa::path(patch, path = "/profile", operation_id = "profile_update", tag = "auth", request_body = ProfileUpdate,
    responses((status = 200, body = User)))]
async fn profile_update(call: Call, Body(request): Body<ProfileUpdate>) -> Reply {
    let mut write = begin!(call);
    let user = app::identity::profile_update(&mut write, request).await?;
    write.answer_tagged(StatusCode::OK, user.generation, &user).await
}

/// Changes the caller's password; all their other logins end.
#[utoipa::path(post, path = "/profile/password", operation_id = "password_change", tag = "auth", request_body = PasswordChange,
    responses((status = 204)))]
async fn password_change(call: Call, Body(request): Body<PasswordChange>) -> Reply {
    // Before the old password is looked at: to a repeated request it is wrong by now.
    if let Begun::Replay(response) = call.begin().await? {
        return Ok(response);
    }
    let hash = app::identity::password_change(&call, request).await?;
    let mut write = begin!(call);
    app::identity::password_set(&mut write, hash).await?;
    let response = write.answer_empty().await?;
    app::identity::forget_first_password(&call.app, &call.caller.username);
    Ok(response)
}

/// The caller's logins and API tokens, newest first.
#[utoipa::path(get, path = "/logins", operation_id = "login_list", tag = "auth", params(PageQuery),
    responses((status = 200, body = Page<UserSession>)))]
async fn login_list(call: Call, Query(query): Query<PageQuery>) -> Reply {
    super::check_limit(query.limit)?;
    let request = store::page::PageRequest::new(query.limit, query.cursor);
    let page =
        store::identity::login_list(call.db(), call.caller.user, Some(call.caller.login), &request, call.now).await;
    ok(&page.map_err(AppError::from)?)
}

/// Ends one of the caller's logins or API tokens.
#[utoipa::path(delete, path = "/logins/{id}", operation_id = "login_revoke", tag = "auth", params(("id" = UserSessionId, Path)),
    responses((status = 204)))]
async fn login_revoke(call: Call, Path(id): Path<UserSessionId>) -> Reply {
    let mut write = begin!(call);
    app::identity::login_revoke(&mut write, id).await?;
    write.answer_empty().await
}

/// Makes an API token. The answer is the only one that ever holds it, so an `Idempotency-Key` has no effect here.
#[utoipa::path(post, path = "/api-tokens", operation_id = "api_token_create", tag = "auth", request_body = ApiTokenCreate,
    responses((status = 201, body = ApiTokenCreated)))]
async fn api_token_create(call: Call, Body(request): Body<ApiTokenCreate>) -> Reply {
    let mut write = call.begin_unrepeatable().await?;
    let created = app::identity::api_token_create(&mut write, request).await?;
    write.answer(StatusCode::CREATED, &created).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_are_out_of_reach_of_scripts_and_other_sites() {
        let now = berth_types::Timestamp::UNIX_EPOCH;
        let tokens = Tokens {
            access: "a".to_owned(),
            refresh: "r".to_owned(),
            csrf: "c".to_owned(),
            access_expires_at: now + chrono::TimeDelta::minutes(15),
            refresh_expires_at: now + chrono::TimeDelta::days(30),
        };
        let mut headers = HeaderMap::new();
        set_cookies(&mut headers, &tokens, now, true);
        let texts: Vec<_> = headers.get_all(header::SET_COOKIE).iter().map(|value| value.to_str().unwrap()).collect();
        assert_eq!(
            texts,
            [
                "berth_access=a; Path=/; Max-Age=900; SameSite=Strict; HttpOnly; Secure",
                "berth_refresh=r; Path=/api/v1/auth; Max-Age=2592000; SameSite=Strict; HttpOnly; Secure",
                "berth_csrf=c; Path=/; Max-Age=2592000; SameSite=Strict; Secure",
            ]
        );
        let mut headers = HeaderMap::new();
        clear_cookies(&mut headers, false);
        assert!(
            headers
                .get_all(header::SET_COOKIE)
                .iter()
                .all(|value| value.to_str().unwrap().contains("Max-Age=0; SameSite=Strict"))
        );
    }
}
