// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {IJobEscrow} from "../../contracts/interfaces/IJobEscrow.sol";
import {IOfferRegistry} from "../../contracts/interfaces/IOfferRegistry.sol";
import {IOperatorRegistry} from "../../contracts/interfaces/IOperatorRegistry.sol";
import {JobState} from "../../contracts/libraries/JobStates.sol";
import {Payments} from "../../contracts/libraries/Payments.sol";
import {BrokenToken, FalseToken, FeeToken, HookToken, PlainToken, SilentToken} from "./HostileTokens.sol";
import {TokenTest} from "./TokenTest.sol";

/// @notice Jobs that are paid in tokens, also in such as misbehave.
contract TokensTest is TokenTest {
    address private constant PAYEE = address(0x9a1);
    bytes32 private constant OTHER = keccak256("the other leaf");

    // ---- in and out --------------------------------------------------------------------------------

    function test_aJobIsPaidInItsTokenInAndOut() public {
        PlainToken token = new PlainToken();
        IJobEscrow.JobRequest memory request = _pricedIn(address(token));
        _given(token, TOKEN_PRICE);
        vm.prank(BUYER);
        _eq(escrow.quote(request), TOKEN_PRICE, "price and fees in the token");
        IJobEscrow.Payout memory payout = IJobEscrow.Payout(0, PAYEE, 700);
        (bytes32 job, IJobEscrow.Outcome memory outcome) = _settledIn(request, _pair(_leaf(payout), OTHER));
        _eq(token.balanceOf(BUYER), MINTED - TOKEN_PRICE, "taken");
        _eq(token.allowance(BUYER, address(escrow)), 0, "as much as was approved");
        escrow.claim(job, outcome, payout, _proof(OTHER));
        _eq(token.balanceOf(PAYEE), 700, "paid");
        _eq(token.balanceOf(address(escrow)), TOKEN_PRICE - 700, "left");
        _eq(PAYEE.balance + address(escrow).balance, 0, "no ETH");
        _eq(escrow.jobOf(job).unclaimed, TOKEN_PRICE - 700, "unclaimed");
    }

    function test_aTokenThatReturnsNothingIsTaken() public {
        SilentToken token = new SilentToken();
        IJobEscrow.JobRequest memory request = _pricedIn(address(token));
        token.mint(BUYER, TOKEN_PRICE);
        IJobEscrow.Payout memory payout = IJobEscrow.Payout(0, PAYEE, TOKEN_PRICE);
        (bytes32 job, IJobEscrow.Outcome memory outcome) = _settledIn(request, _leaf(payout));
        escrow.claim(job, outcome, payout, new bytes32[](0));
        _eq(token.balanceOf(PAYEE), TOKEN_PRICE, "all of it");
    }

    function test_aRefundIsInTheToken() public {
        PlainToken token = new PlainToken();
        IJobEscrow.JobRequest memory request = _pricedIn(address(token));
        _given(token, TOKEN_PRICE);
        (bytes32 job, IJobEscrow.JobTerms memory terms) = _createIn(request);
        escrow.fail(terms, _notices(job, 1, 2));
        // Neither in ETH nor in another token: those would be other jobs.
        _fund();
        terms.token = address(0);
        vm.expectRevert(
            abi.encodeWithSelector(
                IJobEscrow.TransitionRefused.selector, _job(terms), JobState.None, JobState.Refunded
            )
        );
        escrow.refund(terms);
        terms.token = address(token);
        escrow.refund(terms);
        _eq(token.balanceOf(BUYER), MINTED, "back");
        _eq(address(escrow).balance, _price(1), "the other's ETH stays");
    }

    /// A job in a token that anyone may print gives no claim to money that is worth something.
    function test_aClaimIsInTheTokenOfItsJob() public {
        PlainToken worthless = new PlainToken();
        PlainToken dear = new PlainToken();
        _given(dear, TOKEN_PRICE);
        _given(worthless, TOKEN_PRICE);
        _createIn(_pricedIn(address(dear)));
        IJobEscrow.Payout memory payout = IJobEscrow.Payout(0, PAYEE, 700);
        IJobEscrow.JobRequest memory request = _pricedIn(address(worthless));
        (bytes32 job, IJobEscrow.Outcome memory outcome) = _settledIn(request, _leaf(payout));
        address[2] memory wanted = [address(dear), address(0)];
        for (uint256 i; i < 2; ++i) {
            outcome.token = wanted[i];
            vm.expectRevert(abi.encodeWithSelector(IJobEscrow.OutcomeMismatch.selector, job));
            escrow.claim(job, outcome, payout, new bytes32[](0));
        }
    }

    function test_aJobThatCostsNothingMovesNothing() public {
        BrokenToken token = new BrokenToken();
        token.setBroken(true);
        IJobEscrow.JobRequest memory request = _pricedIn(address(token));
        request.offers[0].terms.price = 0;
        _relist(request.offers[0]);
        for (uint256 i; i < 3; ++i) {
            vm.prank(members[i]);
            operators.acceptToken(address(token), 0);
        }
        vm.prank(BUYER);
        bytes32 job = escrow.createJob(request);
        _eq(_state(job), JobState.Funded);
    }

    // ---- refusals ----------------------------------------------------------------------------------

    function test_noEthGoesWithATokenNorATokenForEth() public {
        PlainToken token = new PlainToken();
        IJobEscrow.JobRequest memory request = _pricedIn(address(token));
        _given(token, TOKEN_PRICE);
        vm.expectRevert(abi.encodeWithSelector(Payments.ValueWrong.selector, 1, 0));
        vm.prank(BUYER);
        escrow.createJob{value: 1}(request);
        // The same data set, paid for in ETH.
        request.token = address(0);
        _mixed(request, 0, address(0), address(token));
    }

    function test_allOffersOfAJobArePricedInItsToken() public {
        PlainToken token = new PlainToken();
        _given(token, 10 * TOKEN_PRICE);
        IJobEscrow.JobRequest memory request = _pricedIn(address(token));
        IOfferRegistry.OfferUse[] memory uses = new IOfferRegistry.OfferUse[](2);
        (uses[0], uses[1]) = (request.offers[0], _publish(1)[0]);
        request.offers = uses;
        _mixed(request, 1, address(token), address(0));
        address other = address(new PlainToken());
        uses[1] = _offeredIn(other);
        _mixed(request, 1, address(token), other);
        // Rules without a token are a price in ETH too.
        IOfferRegistry.Rules memory rules;
        rules.document = keccak256("lists");
        uses[1] = _offeredUnder(SELLER, rules, EXACT);
        _mixed(request, 1, address(token), address(0));
        uses[1] = _offeredIn(address(token));
        vm.prank(BUYER);
        escrow.createJob(request);
        _eq(token.balanceOf(address(escrow)), TOKEN_PRICE + PRICE, "both prices");
    }

    function test_eachOperatorDecidesWhatItTakes() public {
        PlainToken token = new PlainToken();
        _given(token, TOKEN_PRICE);
        IJobEscrow.JobRequest memory request = _pricedIn(address(token));
        for (uint256 i; i < 3; ++i) {
            vm.prank(members[i]);
            operators.refuseToken(address(token));
            _refusedFunding(
                request,
                abi.encodeWithSelector(IOperatorRegistry.TokenNotAccepted.selector, members[i], address(token))
            );
            vm.prank(members[i]);
            operators.acceptToken(address(token), TOKEN_FEE);
        }
        _createIn(request);
    }

    function test_tokensThatDoNotDeliverAreRefused() public {
        FeeToken taxed = new FeeToken();
        _given(taxed, TOKEN_PRICE);
        _refusedFunding(
            _pricedIn(address(taxed)),
            abi.encodeWithSelector(
                Payments.TokenShort.selector, address(taxed), TOKEN_PRICE - TOKEN_PRICE / 100, TOKEN_PRICE
            )
        );
        FalseToken refusing = new FalseToken();
        _given(refusing, TOKEN_PRICE);
        _refusedFunding(
            _pricedIn(address(refusing)),
            abi.encodeWithSelector(SafeERC20.SafeERC20FailedOperation.selector, address(refusing))
        );
        BrokenToken broken = new BrokenToken();
        _given(broken, TOKEN_PRICE);
        broken.setBroken(true);
        _refusedFunding(_pricedIn(address(broken)), abi.encodeWithSelector(BrokenToken.Broken.selector));
        // No token at all.
        IJobEscrow.JobRequest memory request = _pricedIn(STRANGER);
        vm.prank(BUYER);
        try escrow.createJob(request) {
            _true(false, "an account without code is no token");
        } catch (bytes memory reason) {
            _eq(reason.length, 0, "reason");
        }
    }

    function test_whatIsNotApprovedIsNotTaken() public {
        PlainToken token = new PlainToken();
        _given(token, TOKEN_PRICE - 1);
        IJobEscrow.JobRequest memory request = _pricedIn(address(token));
        _refusedFunding(request, _overdrawn());
        _eq(_state(_job(_terms(BUYER, request, TOKEN_PRICE))), JobState.None);
    }

    /// A token that breaks later holds its payouts up; they are not lost, and other jobs go on.
    function test_aPayoutWaitsForItsToken() public {
        BrokenToken token = new BrokenToken();
        _given(token, TOKEN_PRICE);
        IJobEscrow.Payout memory payout = IJobEscrow.Payout(0, PAYEE, 700);
        (bytes32 job, IJobEscrow.Outcome memory outcome) = _settledIn(_pricedIn(address(token)), _leaf(payout));
        token.setBroken(true);
        vm.expectRevert(abi.encodeWithSelector(BrokenToken.Broken.selector));
        escrow.claim(job, outcome, payout, new bytes32[](0));
        _true(!escrow.isClaimed(job, 0), "not marked as paid");
        token.setBroken(false);
        escrow.claim(job, outcome, payout, new bytes32[](0));
        _eq(token.balanceOf(PAYEE), 700, "paid");
    }

    // ---- tokens that call back ---------------------------------------------------------------------

    function test_aTokenDoesNotGetInWhileAJobIsFunded() public {
        HookToken token = new HookToken();
        _given(token, 10 * TOKEN_PRICE);
        IJobEscrow.JobRequest memory request = _pricedIn(address(token));
        token.prepare(address(escrow), abi.encodeCall(escrow.createJob, (request)));
        (bytes32 job,) = _createIn(request);
        _shut(token);
        _eq(token.balanceOf(address(escrow)), TOKEN_PRICE, "once");
        _eq(_state(job), JobState.Funded);
    }

    function test_aTokenDoesNotGetInWhileItIsPaidOut() public {
        HookToken token = new HookToken();
        _given(token, 10 * TOKEN_PRICE);
        IJobEscrow.Payout memory first = IJobEscrow.Payout(0, PAYEE, 700);
        IJobEscrow.Payout memory second = IJobEscrow.Payout(1, PAYEE, 50);
        (bytes32 job, IJobEscrow.Outcome memory outcome) =
            _settledIn(_pricedIn(address(token)), _pair(_leaf(first), _leaf(second)));
        token.prepare(
            address(escrow), abi.encodeCall(escrow.claim, (job, outcome, first, _proof(_leaf(second))))
        );
        escrow.claim(job, outcome, first, _proof(_leaf(second)));
        _shut(token);
        token.prepare(
            address(escrow), abi.encodeCall(escrow.claim, (job, outcome, first, _proof(_leaf(second))))
        );
        escrow.claim(job, outcome, second, _proof(_leaf(first)));
        _shut(token);
        _eq(token.balanceOf(PAYEE), 750, "each once");
    }

    function test_aTokenDoesNotGetInWhileItIsRefunded() public {
        HookToken token = new HookToken();
        _given(token, 10 * TOKEN_PRICE);
        IJobEscrow.JobRequest memory request = _pricedIn(address(token));
        (bytes32 job, IJobEscrow.JobTerms memory terms) = _createIn(request);
        request.resultKey = keccak256("another key");
        (bytes32 other, IJobEscrow.JobTerms memory others) = _createIn(request);
        escrow.fail(terms, _notices(job, 1, 2));
        escrow.fail(others, _notices(other, 1, 2));
        token.prepare(address(escrow), abi.encodeCall(escrow.refund, (terms)));
        escrow.refund(terms);
        _shut(token);
        _eq(token.balanceOf(address(escrow)), TOKEN_PRICE, "the other job's stays");
        token.prepare(address(escrow), abi.encodeCall(escrow.refund, (terms)));
        escrow.refund(others);
        _shut(token);
        _eq(token.balanceOf(BUYER), MINTED, "each once");
    }

    // ---- steps of this file ------------------------------------------------------------------------

    function _shut(HookToken token) private view {
        _true(token.called(), "it did try");
        _true(
            bytes4(token.result()) == bytes4(keccak256("ReentrancyGuardReentrantCall()")),
            "refused by the guard"
        );
    }

    function _mixed(IJobEscrow.JobRequest memory request, uint256 which, address found, address asked) private {
        _refusedFunding(
            request,
            abi.encodeWithSelector(
                IOfferRegistry.TermRefused.selector,
                request.offers[which].dataRoot,
                IOfferRegistry.Term.Token,
                uint256(uint160(found)),
                uint256(uint160(asked))
            )
        );
    }
}
