// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IJobEscrow} from "../../contracts/interfaces/IJobEscrow.sol";
import {IOfferRegistry} from "../../contracts/interfaces/IOfferRegistry.sol";
import {Reenterer} from "./Accounts.sol";
import {MarketTest} from "./MarketTest.sol";

/// @notice When the privacy budget that a job reserved comes back.
contract BudgetsTest is MarketTest {
    address private constant OTHER_SELLER = address(0x5e11e7);
    uint64 private constant BUDGET = 1000;
    uint64 private constant SPENT = 300;

    function test_budgetComesBackFromAJobThatNobodyJoinedAndOnce() public {
        (bytes32 job, IJobEscrow.JobTerms memory terms, IJobEscrow.JobRequest memory request) = _private();
        IJobEscrow.JobSpec memory spec = _spec(request);
        _refusedReturn(job, terms, request);
        vm.warp(terms.deadlineSec + 1);
        escrow.refund(terms);

        // Whatever is said of the job is checked against what it is bound to.
        bytes memory mismatch = abi.encodeWithSelector(IJobEscrow.SpecMismatch.selector, job);
        spec.microRho = 900;
        vm.expectRevert(mismatch);
        escrow.returnBudget(terms, spec, _sellers(SELLER));
        spec = _spec(request);
        vm.expectRevert(mismatch);
        escrow.returnBudget(terms, spec, new address[](0));
        vm.expectRevert(
            abi.encodeWithSelector(IOfferRegistry.OfferUnknown.selector, OTHER_SELLER, spec.dataRoots[0])
        );
        escrow.returnBudget(terms, spec, _sellers(OTHER_SELLER));
        terms.amount += 1;
        vm.expectRevert(abi.encodeWithSelector(IJobEscrow.BudgetNotReturnable.selector, _job(terms)));
        escrow.returnBudget(terms, spec, _sellers(SELLER));
        terms.amount -= 1;

        _eq(_left(request.offers[0]), BUDGET - SPENT, "still reserved");
        vm.expectEmit();
        emit IOfferRegistry.BudgetReturned(job, spec.dataRoots[0], SPENT);
        vm.prank(STRANGER);
        escrow.returnBudget(terms, spec, _sellers(SELLER));
        _eq(_left(request.offers[0]), BUDGET, "back");
        _true(escrow.jobOf(job).budgetReturned, "marked");
        _refusedReturn(job, terms, request);
        _eq(_left(request.offers[0]), BUDGET, "once");
    }

    /// A buyer that refuses its money back cannot hold the budget.
    function test_budgetComesBackFromAnExpiredJobThatIsNotRefunded() public {
        (bytes32 job, IJobEscrow.JobTerms memory terms, IJobEscrow.JobRequest memory request) = _private();
        vm.warp(terms.deadlineSec);
        _refusedReturn(job, terms, request);
        vm.warp(terms.deadlineSec + 1);
        escrow.returnBudget(terms, _spec(request), _sellers(SELLER));
        _eq(_left(request.offers[0]), BUDGET, "back");
        escrow.refund(terms);
        _refusedReturn(job, terms, request);
        _eq(_left(request.offers[0]), BUDGET, "once");
    }

    /// The mark that a budget came back must not be overwritten by a refund that was under way.
    function test_aBuyerThatCallsBackDuringItsRefundGivesTheBudgetBackOnce() public {
        Reenterer thief = new Reenterer();
        vm.deal(address(thief), 1 ether);
        IJobEscrow.JobRequest memory request = _over(_offered(SELLER, _useTerms(), BUDGET));
        request.microRho = SPENT;
        (bytes32 job, IJobEscrow.JobTerms memory terms) = _create(address(thief), request, _price(1));
        thief.prepare(
            address(escrow), abi.encodeCall(escrow.returnBudget, (terms, _spec(request), _sellers(SELLER)))
        );
        vm.warp(terms.deadlineSec + 1);
        escrow.refund(terms);
        _true(thief.successes(0), "it is due then");
        _eq(_left(request.offers[0]), BUDGET, "back");
        _refusedReturn(job, terms, request);
        _eq(_left(request.offers[0]), BUDGET, "once");
    }

    /// Who failed after it joined has seen the data at work: money comes back, budget does not by itself.
    function test_whatWasJoinedIsSpent() public {
        (bytes32 job, IJobEscrow.JobTerms memory terms, IJobEscrow.JobRequest memory request) = _private();
        _join(terms);
        escrow.fail(terms, _notices(job, 1, 3));
        escrow.refund(terms);
        _refusedReturn(job, terms, request);
        _eq(_left(request.offers[0]), BUDGET - SPENT, "spent");
    }

    function test_anExactJobHasNothingToGiveBack() public {
        IJobEscrow.JobRequest memory request = _request(_publish(1));
        (bytes32 job, IJobEscrow.JobTerms memory terms) = _create(BUYER, request, _price(1));
        escrow.fail(terms, _notices(job, 1, 3));
        _refusedReturn(job, terms, request);
        _refusedUnopened(job, terms, request, _signAll(_unopenedDigest(job)));
    }

    /// A budget without a limit stays what it is, and is not counted up to something else.
    function test_aBudgetWithoutALimitStays() public {
        IJobEscrow.JobRequest memory request = _over(_offered(SELLER, _useTerms(), EXACT));
        request.microRho = SPENT;
        (bytes32 job, IJobEscrow.JobTerms memory terms) = _create(BUYER, request, _price(1));
        escrow.fail(terms, _notices(job, 1, 3));
        vm.expectEmit();
        emit IOfferRegistry.BudgetReturned(job, request.offers[0].dataRoot, 0);
        escrow.returnBudget(terms, _spec(request), _sellers(SELLER));
        _eq(_left(request.offers[0]), EXACT, "no limit");
    }

    // ---- what all three say was not opened ---------------------------------------------------------

    function test_budgetComesBackAfterTheJoinWhenAllThreeSayThatNothingWasOpened() public {
        (bytes32 job, IJobEscrow.JobTerms memory terms, IJobEscrow.JobRequest memory request) = _private();
        _join(terms);
        escrow.fail(terms, _notices(job, 1, 3));
        bytes32 digest = _unopenedDigest(job);
        for (uint256 i; i < 3; ++i) {
            bytes32[2][3] memory signatures = _signAll(digest);
            signatures[i] = _sign(0xdead, digest);
            _unsigned(terms, request, signatures, i);
            signatures[i] = signatures[(i + 1) % 3];
            _unsigned(terms, request, signatures, i);
        }
        // The word that they would join is another, and so is that about another job.
        _unsigned(terms, request, _signAll(_joinDigest(job)), 0);
        _unsigned(terms, request, _signAll(_unopenedDigest(~job)), 0);

        escrow.returnUnopened(terms, _spec(request), _sellers(SELLER), _signAll(digest));
        _eq(_left(request.offers[0]), BUDGET, "back");
        _refusedUnopened(job, terms, request, _signAll(digest));
        _eq(_left(request.offers[0]), BUDGET, "once");
        escrow.refund(terms);
        _refusedUnopened(job, terms, request, _signAll(digest));
        _refusedReturn(job, terms, request);
    }

    function test_unopenedIsSaidOfAJobThatCanNoLongerBeAttested() public {
        (bytes32 job, IJobEscrow.JobTerms memory terms, IJobEscrow.JobRequest memory request) = _private();
        bytes32[2][3] memory signatures = _signAll(_unopenedDigest(job));
        _refusedUnopened(job, terms, request, signatures);
        _join(terms);
        _refusedUnopened(job, terms, request, signatures);
        vm.warp(terms.deadlineSec + GRACE);
        _refusedUnopened(job, terms, request, signatures);
        vm.warp(terms.deadlineSec + GRACE + 1);
        escrow.returnUnopened(terms, _spec(request), _sellers(SELLER), signatures);
        _eq(_left(request.offers[0]), BUDGET, "back");
        escrow.refund(terms);
        _eq(_left(request.offers[0]), BUDGET, "once");
    }

    /// The three cannot undo by signatures what an attestation says, whatever became of the job after it.
    function test_whatWasAttestedWasOpened() public {
        (bytes32 job, IJobEscrow.JobTerms memory terms, IJobEscrow.JobRequest memory request) = _private();
        bytes32[2][3] memory signatures = _signAll(_unopenedDigest(job));
        _join(terms);
        _attest(terms, keccak256("payouts"));
        _refusedUnopened(job, terms, request, signatures);
        IJobEscrow.Outcome memory outcome = _outcome(terms, keccak256("payouts"));
        vm.prank(address(disputes));
        escrow.overturn(job, outcome);
        vm.warp(terms.deadlineSec + GRACE + 1);
        _refusedUnopened(job, terms, request, signatures);
        _refusedReturn(job, terms, request);
        _eq(_left(request.offers[0]), BUDGET - SPENT, "spent");
    }

    /// What came back before the join needs no signatures, and they bring it back no second time.
    function test_theTwoWaysBackAreOne() public {
        (bytes32 job, IJobEscrow.JobTerms memory terms, IJobEscrow.JobRequest memory request) = _private();
        bytes32[2][3] memory signatures = _signAll(_unopenedDigest(job));
        vm.warp(terms.deadlineSec + 1);
        escrow.returnUnopened(terms, _spec(request), _sellers(SELLER), signatures);
        _refusedReturn(job, terms, request);
        _refusedUnopened(job, terms, request, signatures);
        _eq(_left(request.offers[0]), BUDGET, "once");
    }

    // ---- steps of this file ------------------------------------------------------------------------

    function _refusedReturn(
        bytes32 job,
        IJobEscrow.JobTerms memory terms,
        IJobEscrow.JobRequest memory request
    ) private {
        vm.expectRevert(abi.encodeWithSelector(IJobEscrow.BudgetNotReturnable.selector, job));
        escrow.returnBudget(terms, _spec(request), _sellers(SELLER));
    }

    function _refusedUnopened(
        bytes32 job,
        IJobEscrow.JobTerms memory terms,
        IJobEscrow.JobRequest memory request,
        bytes32[2][3] memory signatures
    ) private {
        vm.expectRevert(abi.encodeWithSelector(IJobEscrow.BudgetNotReturnable.selector, job));
        escrow.returnUnopened(terms, _spec(request), _sellers(SELLER), signatures);
    }

    function _unsigned(
        IJobEscrow.JobTerms memory terms,
        IJobEscrow.JobRequest memory request,
        bytes32[2][3] memory signatures,
        uint256 index
    ) private {
        vm.expectRevert(
            abi.encodeWithSelector(
                IJobEscrow.SignatureInvalid.selector, _job(terms), index + 1, vm.addr(keys[index])
            )
        );
        escrow.returnUnopened(terms, _spec(request), _sellers(SELLER), signatures);
    }

    function _sellers(address seller) private pure returns (address[] memory sellers) {
        sellers = new address[](1);
        sellers[0] = seller;
    }

    /// A funded job that reserved a part of the budget.
    function _private()
        private
        returns (bytes32 job, IJobEscrow.JobTerms memory terms, IJobEscrow.JobRequest memory request)
    {
        request = _over(_offered(SELLER, _useTerms(), BUDGET));
        request.microRho = SPENT;
        (job, terms) = _create(BUYER, request, _price(1));
        _eq(_left(request.offers[0]), BUDGET - SPENT, "reserved");
    }
}
