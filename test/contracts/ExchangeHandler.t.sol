// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IReviewExchange} from "../../contracts/interfaces/IReviewExchange.sol";
import {SeatState, SessionState} from "../../contracts/libraries/ExchangeStates.sol";
import {ExchangeTest} from "./ExchangeTest.sol";

/// @notice Acts on an exchange at random, in and out of turn, beside a model of its own that says of each call whether
/// it must succeed and what it moves. Any difference reverts, and a revert fails the run.
contract ExchangeHandler is ExchangeTest {
    struct Session {
        IReviewExchange.Terms terms;
        SessionState state;
        uint256 answered;
        /// What it still holds of the reward.
        uint256 money;
        /// 1 + index of the winner among the providers.
        uint256 winner;
    }

    struct Entry {
        SeatState state;
        bool used;
        Data data;
    }

    uint256 public sessions;
    mapping(uint256 session => Session) private _sessions;
    mapping(uint256 session => mapping(uint256 provider => Entry)) private _entries;
    /// Which session's registration a seat holds, 0 while it is idle, and what it holds then.
    mapping(uint256 seat => uint256) private _busy;
    mapping(uint256 seat => uint256) private _idle;
    uint256[] private _seatIds;
    mapping(SeatState from => mapping(SeatState to => uint256)) public seatMoves;
    mapping(SessionState from => mapping(SessionState to => uint256)) public sessionMoves;
    uint256 private _in;
    uint256 private _out;

    // ---- what can happen ---------------------------------------------------------------------------

    function open(uint256 salt) external {
        IReviewExchange.SessionRequest memory request = _request();
        request.descriptionHash = keccak256("description");
        // Two of three answers are paid for, or all.
        request.samplingBps = salt % 2 == 0 ? 4000 : BPS;
        request.reward = uint88(REWARD + sessions);
        IReviewExchange.Terms memory terms = _open(request);
        Session storage s = _sessions[++sessions];
        (s.terms, s.state, s.money) = (terms, SessionState.Open, request.reward);
        _in += request.reward;
        ++sessionMoves[SessionState.None][SessionState.Open];
        for (uint256 i; i < 3; ++i) {
            Entry storage entry = _entries[sessions][i];
            entry.data = _data(i, string(abi.encode(sessions)));
            // Two seats of each provider in turn.
            entry.data.number = uint64(sessions % 2);
            if (sessions <= 2) _seatIds.push(_seat(entry.data));
            _register(i);
        }
    }

    function register(uint256 who) external {
        if (sessions != 0) _register(who % 3);
    }

    function sample(uint256 who) external {
        (Session storage s, Entry storage e, Data memory d) = _pick(who);
        if (s.state == SessionState.None) return;
        bool due = e.state == SeatState.Registered && _between(s, _end(s.terms, 0) + DELAY, 1);
        if (_try(abi.encodeCall(this.doSample, (s.terms, d)), due)) {
            e.data.seed =
                keccak256(abi.encode(SECRET, _id(s.terms), _seat(d), keccak256(abi.encode(d.commitment))));
            _seatMoved(e, SeatState.Sampled);
        }
    }

    /// Accuse, deliver, candidate, review, answer: what one seat goes through after its sample.
    function advance(uint256 who, uint256 what) external {
        (Session storage s, Entry storage e, Data memory d) = _pick(who);
        if (s.state == SessionState.None) return;
        SeatState at = e.state;
        SeatState to = what % 4 == 0 ? SeatState(4 + (what / 4) % 5) : _next(at, what / 4);
        bool due;
        if (to == SeatState.Accused) {
            due = at == SeatState.Sampled && _between(s, _end(s.terms, 2) + 1, 3)
                && block.timestamp <= _end(s.terms, 2) + PHASE / 2;
        } else if (to == SeatState.Delivered) {
            due = at == SeatState.Accused && _between(s, 0, 3);
        } else if (to == SeatState.Candidate) {
            due = (at == SeatState.Sampled || at == SeatState.Delivered) && _between(s, 0, 3);
        } else if (to == SeatState.Reviewing) {
            due = at == SeatState.Candidate && _between(s, 0, 3);
        } else {
            uint256 room = uint256(s.terms.amounts.maxAnswers());
            due = at == SeatState.Reviewing && _between(s, _end(s.terms, 3) + 1, 4) && s.answered < room;
        }
        if (!_try(abi.encodeCall(this.doAdvance, (s.terms, d, to)), due)) return;
        _seatMoved(e, to);
        if (to == SeatState.Answered) ++s.answered;
    }

    function optimal(uint256 who) external {
        who = _answered(who);
        (Session storage s,, Data memory d) = _pick(who);
        if (s.state == SessionState.None) return;
        bool due = s.state == SessionState.Open && _between(s, _end(s.terms, 4) + 1, 5);
        if (_try(abi.encodeCall(this.doOptimal, (s.terms, d)), due)) {
            s.winner = who % 3 + 1;
            _sessionMoved(s, SessionState.Won);
        }
    }

    function claim(uint256 who, uint256 spoil) external {
        who = _answered(who);
        (Session storage s, Entry storage e, Data memory d) = _pick(who);
        if (s.state == SessionState.None) return;
        bool due = s.state == SessionState.Won && s.winner == who % 3 + 1 && e.state == SeatState.Answered
            && _between(s, 0, 6) && spoil % 4 != 0;
        if (spoil % 4 == 0) d.masterKey = bytes32(spoil);
        uint256 before = d.provider.balance;
        if (!_try(abi.encodeCall(this.doClaim, (s.terms, d)), due)) return;
        uint256 pay = s.terms.amounts.reward() - (s.answered - 1) * s.terms.amounts.compensation();
        _eq(d.provider.balance - before, pay + DEPOSIT, "reward and deposit");
        _left(s, e, pay, 0);
        _out += pay + DEPOSIT;
        _sessionMoved(s, SessionState.Claimed);
    }

    function release(uint256 who) external {
        (Session storage s, Entry storage e, Data memory d) = _pick(who);
        if (s.state == SessionState.None) return;
        uint256 phase = e.state == SeatState.Registered ? 1 : e.state == SeatState.Reviewing ? 4 : 3;
        bool due = e.state > SeatState.Idle && e.state != SeatState.Accused && block.timestamp > _end(s.terms, phase);
        uint256 compensation;
        if (e.state == SeatState.Answered) {
            due = s.winner != who % 3 + 1 && (s.state != SessionState.Open || block.timestamp > _end(s.terms, 5));
            compensation = s.terms.amounts.compensation();
        }
        if (!_try(abi.encodeCall(this.doRelease, (s.terms, d, e.state)), due)) return;
        _left(s, e, compensation, DEPOSIT + compensation);
    }

    function forfeit(uint256 who) external {
        (Session storage s, Entry storage e, Data memory d) = _pick(who);
        if (s.state == SessionState.None) return;
        bool accused = e.state == SeatState.Accused && block.timestamp > _end(s.terms, 3);
        bool silent = e.state == SeatState.Answered && s.winner == who % 3 + 1 && block.timestamp > _end(s.terms, 6);
        uint256 before = COLLECTOR.balance;
        if (!_try(abi.encodeCall(this.doForfeit, (s.terms, d, e.state)), accused || silent)) return;
        uint256 compensation = silent ? s.terms.amounts.compensation() : 0;
        _eq(COLLECTOR.balance - before, DEPOSIT + compensation, "forfeited");
        _left(s, e, compensation, 0);
        _out += DEPOSIT + compensation;
    }

    function close(uint256 who) external {
        (Session storage s,,) = _pick(who);
        if (s.state == SessionState.None) return;
        bool due = (s.state == SessionState.Open && block.timestamp > _end(s.terms, 5))
            || (s.state == SessionState.Won && block.timestamp > _end(s.terms, 6));
        uint256 before = COLLECTOR.balance;
        if (!_try(abi.encodeCall(this.doClose, (s.terms)), due)) return;
        uint256 refund = s.terms.amounts.reward() - s.answered * s.terms.amounts.compensation();
        _eq(COLLECTOR.balance - before, refund, "refund");
        s.money -= refund;
        _out += refund;
        _sessionMoved(s, SessionState.Closed);
    }

    function withdraw(uint256 who, uint256 amount) external {
        (Session storage s,, Data memory d) = _pick(who);
        if (s.state == SessionState.None) return;
        uint256 seat = _seat(d);
        amount %= 20_000;
        // Of a seat that was never used nothing can be withdrawn, not even nothing.
        (SeatState state,,,) = exchange.seatOf(seat);
        bool due = state == SeatState.Idle && _busy[seat] == 0 && amount <= _idle[seat];
        if (!_try(abi.encodeCall(this.doWithdraw, (d, amount)), due)) return;
        _idle[seat] -= amount;
        _out += amount;
    }

    function pass(uint256 seconds_) external {
        vm.warp(block.timestamp + seconds_ % 110);
    }

    // ---- what must hold ----------------------------------------------------------------------------

    /// Compares seats and sessions with the model, and the balance with what everyone is owed.
    function check() external view {
        uint256 owed;
        for (uint256 n = 1; n <= sessions; ++n) {
            Session storage s = _sessions[n];
            (SessionState state, uint256 answered,) = exchange.sessionOf(_id(s.terms));
            _true(state == s.state, "state of a session");
            _eq(answered, s.answered, "answers");
            owed += s.money;
            uint256 open_;
            for (uint256 i; i < 3; ++i) {
                Entry storage e = _entries[n][i];
                if (e.state > SeatState.Idle) {
                    owed += DEPOSIT;
                    _true(_state(e.data) == e.state, "state of a seat");
                }
                if (e.state == SeatState.Answered) ++open_;
            }
            if (s.state == SessionState.Claimed || s.state == SessionState.Closed) {
                _eq(s.money, open_ * s.terms.amounts.compensation(), "what is left are compensations");
            }
        }
        for (uint256 i; i < _seatIds.length; ++i) owed += _idle[_seatIds[i]];
        _eq(address(exchange).balance, owed, "the exchange holds what it owes");
        _eq(_in, _out + owed, "in is out and owed");
    }

    // ---- the calls, so that a refusal can be caught ------------------------------------------------

    function doRegister(IReviewExchange.Terms memory terms, Data memory d) external {
        _register(terms, d);
    }

    function doSample(IReviewExchange.Terms memory terms, Data memory d) external {
        _sample(terms, d);
    }

    function doAdvance(IReviewExchange.Terms memory terms, Data memory d, SeatState to) external {
        if (to == SeatState.Accused) _accuse(terms, d);
        else if (to == SeatState.Delivered) _deliver(terms, d);
        else if (to == SeatState.Candidate) _candidate(terms, d);
        else if (to == SeatState.Reviewing) _review(terms, d);
        else _answer(terms, d);
    }

    function doOptimal(IReviewExchange.Terms memory terms, Data memory d) external {
        _optimal(terms, d);
    }

    function doClaim(IReviewExchange.Terms memory terms, Data memory d) external {
        _claim(terms, d);
    }

    function doRelease(IReviewExchange.Terms memory terms, Data memory d, SeatState state) external {
        _release(terms, d, state);
    }

    function doForfeit(IReviewExchange.Terms memory terms, Data memory d, SeatState state) external {
        _forfeit(terms, d, state);
    }

    function doClose(IReviewExchange.Terms memory terms) external {
        exchange.close(terms);
    }

    function doWithdraw(Data memory d, uint256 amount) external {
        vm.prank(d.provider);
        exchange.withdraw(d.number, amount);
    }

    // ---- the model ---------------------------------------------------------------------------------

    /// Registers in the newest session, after the deposit of what is missing or the withdrawal of what is too much.
    function _register(uint256 i) private {
        Session storage s = _sessions[sessions];
        Entry storage e = _entries[sessions][i];
        Data memory d = e.data;
        uint256 seat = _seat(d);
        if (_busy[seat] == 0 && _idle[seat] < DEPOSIT) {
            _in += DEPOSIT - _idle[seat];
            _deposit(d, DEPOSIT - _idle[seat]);
            _idle[seat] = DEPOSIT;
        }
        if (_busy[seat] == 0 && _idle[seat] > DEPOSIT) {
            vm.prank(d.provider);
            exchange.withdraw(d.number, _idle[seat] - DEPOSIT);
            _out += _idle[seat] - DEPOSIT;
            _idle[seat] = DEPOSIT;
        }
        bool due = _busy[seat] == 0 && _idle[seat] == DEPOSIT && !e.used && s.state == SessionState.Open
            && block.timestamp <= _end(s.terms, 0);
        // A seat that was released may register again in time; the model leaves that out.
        if (e.used) return;
        if (!_try(abi.encodeCall(this.doRegister, (s.terms, d)), due)) return;
        e.used = true;
        (_busy[seat], _idle[seat]) = (sessions, 0);
        e.state = SeatState.Idle;
        _seatMoved(e, SeatState.Registered);
    }

    function _left(Session storage s, Entry storage e, uint256 paid, uint256 credited) private {
        uint256 seat = _seat(e.data);
        s.money -= paid;
        ++seatMoves[e.state][SeatState.Idle];
        e.state = SeatState.None;
        (_busy[seat], _idle[seat]) = (0, credited);
    }

    function _seatMoved(Entry storage e, SeatState to) private {
        _true(to > e.state, "a state came back");
        ++seatMoves[e.state][to];
        e.state = to;
        _true(_state(e.data) == to, "state of a seat");
    }

    function _sessionMoved(Session storage s, SessionState to) private {
        _true(to > s.state, "a state came back");
        ++sessionMoves[s.state][to];
        s.state = to;
    }

    function _try(bytes memory call, bool due) private returns (bool success) {
        (success,) = address(this).call(call);
        _true(success == due, due ? "a due call was refused" : "a call that is not due");
    }

    function _between(Session storage s, uint256 fromSec, uint256 phase) private view returns (bool) {
        return block.timestamp >= fromSec && block.timestamp <= _end(s.terms, phase);
    }

    /// Where a seat goes from here, so that a walk gets on; one step in four goes anywhere.
    function _next(SeatState at, uint256 what) private pure returns (SeatState) {
        if (at == SeatState.Sampled) return what % 2 == 0 ? SeatState.Accused : SeatState.Candidate;
        if (at == SeatState.Delivered || at < SeatState.Sampled) return SeatState.Candidate;
        return at == SeatState.Answered ? at : SeatState(uint8(at) + 1);
    }

    /// The same session, three times out of four with a provider that has answered and was not passed over, if any.
    function _answered(uint256 who) private view returns (uint256) {
        // No sum below overflows.
        who = uint128(who);
        if ((who >> 16) % 4 == 0) return who;
        (Session storage s,,) = _pick(who);
        uint256 n = _number(who);
        for (uint256 i; i < 3; ++i) {
            uint256 other = who - who % 3 + (who + i) % 3;
            bool open_ = s.winner == 0 || s.winner == other % 3 + 1;
            if (_entries[n][other % 3].state == SeatState.Answered && open_) return other;
        }
        return who;
    }

    function _number(uint256 who) private view returns (uint256) {
        return sessions > 1 && (who / 3) % 3 == 0 ? sessions - 1 : sessions;
    }

    /// A registration in one of the newest two sessions.
    function _pick(uint256 who) private view returns (Session storage s, Entry storage e, Data memory d) {
        uint256 n = _number(who);
        s = _sessions[n];
        e = _entries[n][who % 3];
        d = e.data;
    }
}
